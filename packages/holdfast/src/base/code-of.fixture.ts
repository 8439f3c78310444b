import { isFailure } from './failure.ts'

/** For tests: the code of the failure that a call throws, whatever else it throws, or undefined. */
export function codeOf(call: () => unknown): unknown {
  try {
    call()
  } catch (e) {
    return isFailure(e) ? e.code : e
  }
  return undefined
}
