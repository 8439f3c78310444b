/** A signal that is aborted with the first of two, and the way to let go of them. */
export interface Joined {
  readonly signal: AbortSignal
  /** Listens no more; to be called when the work is over, for the two may live longer. */
  leave(): void
}

/**
 * One signal for two. `AbortSignal.any` does the same and remembers what it made for as long as the two live: a program that runs many runs under one signal
 * pays for all of them (measured: 1,100 bytes each stay, on Node 20.20).
 */
export function joinSignals(a: AbortSignal, b: AbortSignal): Joined {
  const control = new AbortController()
  const stop = (e: { readonly target: EventTarget | null }) => control.abort((e.target as AbortSignal).reason)
  for (const s of [a, b]) {
    if (s.aborted) {
      control.abort(s.reason)
      return { signal: control.signal, leave: () => undefined }
    }
  }
  a.addEventListener('abort', stop, { once: true })
  b.addEventListener('abort', stop, { once: true })
  return {
    signal: control.signal,
    leave() {
      a.removeEventListener('abort', stop)
      b.removeEventListener('abort', stop)
    },
  }
}
