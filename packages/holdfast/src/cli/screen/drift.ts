import type { DriftDocument } from '../../engine/index.ts'
import { rowsText } from './rows.ts'

/** What differs between the state and the world, one line each. */
export const driftText = (doc: DriftDocument): string =>
  doc.drifted.length === 0 ? 'No drift: the world is as the state says.\n' : rowsText(doc.drifted.map((d) => [d.address, d.kind, d.paths.join(', ')]))
