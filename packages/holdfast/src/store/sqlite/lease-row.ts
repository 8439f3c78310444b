import type { Holder, LeaseRow } from '../../state/index.ts'
import type { Row } from './driver.ts'

export const leaseRow = (row: Row): LeaseRow => ({
  scope: row.scope, holder: JSON.parse(row.holder) as Holder, fence: row.fence, grantedAt: row.granted_at, expiresAt: row.expires_at,
})
