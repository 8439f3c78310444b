/** Ctrl-C: once stops what has not begun, twice tells running steps to end, three times leaves; the journal stays resumable. */
export interface Interrupt {
  readonly stop: AbortSignal
  readonly abort: AbortSignal
  /** Whether anybody interrupted. */
  readonly asked: () => boolean
  end(): void
}

const LEFT_EXIT_CODE = 8

export function watchInterrupts(say: (text: string) => void, leave: (code: number) => void): Interrupt {
  const stop = new AbortController()
  const abort = new AbortController()
  let times = 0
  const onSignal = (): void => {
    times++
    if (times === 1) {
      say('\nStopping: running steps end first. Once more to cancel them.\n')
      stop.abort(new Error('interrupted'))
    } else if (times === 2) {
      say('\nCancelling running steps. Once more to leave at once; `holdfast run resume` goes on from there.\n')
      abort.abort(new Error('interrupted'))
    } else leave(LEFT_EXIT_CODE)
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, onSignal)
  return {
    stop: stop.signal, abort: abort.signal, asked: () => times > 0,
    end: () => { for (const name of names) process.off(name, onSignal) },
  }
}
