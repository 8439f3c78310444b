/**
 * The words of a program: addresses, values (known, unknown, secret), expressions, capabilities.
 *
 * Always true: data only. A secret's text is never a property of anything.
 * May import base.
 * @module
 */
export { functionNames, type ExprNode, type FunctionName } from './expr.ts'
export { evaluate, hides, refsOf, showExpr, type Scope } from './evaluate.ts'
export { EVERY, parsePath, type PathStep } from './path.ts'
export { sampleOf } from './sample.ts'
export { anyShape, describeSchema, isSensitive, leafShape, mayHoldSecrets, sensitivePaths, shapeOf, wrapSensitive, type Shape, type Side } from './shape.ts'
export { callOps, hookPoints, noOptions, type Address, type CallOp, type Capability, type CreateCapability, type HookNames, type HookPoint, type Mark, type NodeOptions, type RecoveryClass, type ResolvedOptions, type Step } from './types.ts'
export { firstUnknown, hasSecret, isSecret, isUnknown, mapLeaves, masked, reveal, SecretValue, UnknownValue, type Value } from './value.ts'
