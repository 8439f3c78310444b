import { app } from 'holdfast'

export default app('empty', { build() {} })
