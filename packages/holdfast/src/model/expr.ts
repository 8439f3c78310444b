import type { Site } from '../base/index.ts'

/** An expression as plain data: it can be stored, shown, hashed and computed anywhere. Nothing in it is code. */
export type ExprNode =
  /** A value that holds no reference. */
  | { readonly k: 'lit'; readonly v: unknown }
  /** An output of a node, and a path into it. */
  | { readonly k: 'ref'; readonly node: string; readonly path: readonly (string | number)[]; readonly at?: Site | undefined }
  | { readonly k: 'str'; readonly parts: readonly string[]; readonly args: readonly ExprNode[] }
  | { readonly k: 'call'; readonly fn: FunctionName; readonly args: readonly ExprNode[]; readonly at?: Site | undefined }
  | { readonly k: 'obj'; readonly keys: readonly string[]; readonly args: readonly ExprNode[] }
  | { readonly k: 'arr'; readonly args: readonly ExprNode[] }
  /** A declared secret of the environment. */
  | { readonly k: 'secret'; readonly name: string }
  /** A file or tree beside the program: path and digest, taken at plan. */
  | { readonly k: 'asset'; readonly path: string; readonly ignore: readonly string[]; readonly at?: Site | undefined }
  /** `list` mapped by `body`, where `{k:'var', name}` is the element. */
  | { readonly k: 'each'; readonly list: ExprNode; readonly name: string; readonly body: ExprNode }
  | { readonly k: 'var'; readonly name: string; readonly path: readonly (string | number)[] }
  /** What was given to a `sensitive()` input of a component: secret from here on. `type` and `field`: of which component, and which of its inputs. */
  | { readonly k: 'hide'; readonly of: ExprNode; readonly type: string; readonly field: string }

/** The closed set of functions: pure and total on the kinds of values they take (spec/api-cli.md 2.5). */
export const functionNames = [
  'json', 'yaml', 'join', 'split', 'lower', 'upper', 'trim', 'replace', 'base64', 'unbase64', 'sha256', 'hmac', 'url', 'at', 'get', 'keys', 'values',
  'merge', 'concat', 'length', 'eq', 'not', 'and', 'or', 'when', 'coalesce', 'add', 'sub', 'mul', 'min', 'max', 'duration',
] as const
export type FunctionName = (typeof functionNames)[number]
