/** SQL that says whether a row of `txs` is not settled. As the index has it: no `in (...)`, which would not be found in it. */
export const unresolvedIn = (txs: string): string => `(${txs}.status = 'open' or ${txs}.status = 'sent' or ${txs}.status = 'unknown' or (${txs}.status = 'failed' and ${txs}.applied = 'partly'))`
