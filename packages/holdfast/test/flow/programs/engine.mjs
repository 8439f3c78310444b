// A module with engines to load by name: a good one, one that is none, and one that throws.
import { TaskFlowEngine } from 'holdfast/flow'

export class Mine extends TaskFlowEngine {
  mine = true
}
export const none = { buildFlow() {} }
export class Throws {
  constructor() {
    throw new Error('no engine today')
  }
}
export const build = (engine, { n }) => {
  const flow = engine.buildFlow('built', 'linear')
  engine.addTasks(flow, engine.createTask((_ctx, { x }) => x * n, { name: 'times', requires: ['x'], provides: 'y' }))
  return { flow, store: { x: 2 } }
}
