/** Ctrl-C: once stops what has not begun, twice tells running steps to end, three times leaves; the journal stays resumable. */
export interface Interrupt {
  readonly stop: AbortSignal
  readonly abort: AbortSignal
  /** Whether it was somebody at the keyboard, who can be asked how to go on. */
  readonly atKeyboard: () => boolean
  end(): void
}

const LEFT_EXIT_CODE = 8

export function watchInterrupts(say: (text: string) => void, leave: (code: number) => void): Interrupt {
  const stop = new AbortController()
  const abort = new AbortController()
  let times = 0
  let keyboard = false
  let ended = false
  const onSignal = (name: NodeJS.Signals): void => {
    times++
    keyboard ||= name === 'SIGINT'
    if (ended) leave(LEFT_EXIT_CODE)
    else if (times === 1) {
      say('\nStopping: running steps end first. Once more to cancel them.\n')
      stop.abort(new Error('interrupted'))
    } else if (times === 2) {
      say('\nCancelling running steps. Once more to leave at once; `holdfast run resume` goes on from there.\n')
      abort.abort(new Error('interrupted'))
    } else leave(LEFT_EXIT_CODE)
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  return {
    stop: stop.signal, abort: abort.signal, atKeyboard: () => keyboard,
    // The listeners stay: a signal that comes while the command ends would else kill it by default, and take the exit code along.
    end: () => {
      ended = true
    },
  }
}
