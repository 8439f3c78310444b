declare const HOLDFAST_VERSION: string | undefined

/** Put in by the build; a run from the sources is no release. */
export const holdfastVersion: string = typeof HOLDFAST_VERSION === 'string' ? HOLDFAST_VERSION : '0.0.0'
