/**
 * Nodes and edges: the desired graph, order, cycles, closure.
 *
 * Pure. May import base, model.
 * @module
 */
export type { DesiredGraph, DesiredNode } from './desired.ts'
export { closure, dependants, topologicalOrder } from './order.ts'
