/** Every bound of the system, named with its unit. */
export const limits = {
  /** Longest address segment. */
  nameChars: 128,
  /** Group commit: most logical transactions, and most bytes, in one durable commit. */
  commitBatchMax: 256,
  commitBatchBytesMax: 1_048_576,
  /** Default parallelism: in-process types, remote types (decisions 9). */
  parallelLocal: 64,
  parallelRemote: 10,
  /** Lease: time to live, heartbeat, margin before the holder stops starting calls. */
  leaseTtlMs: 30_000,
  leaseHeartbeatMs: 10_000,
  leaseMarginMs: 5_000,
  /** A place in the queue for a lease that is not asked about for so long is given up. */
  ticketTtlMs: 10_000,
  /** A provider call without a deadline of its own. */
  callTimeoutMs: 600_000,
  /** How long a lost call of a type that says nothing may still land. */
  maxCallMs: 60_000,
  /** Attempts to settle one lost call before it is shown to a person. */
  settleAttemptsMax: 5,
  /** Tags per node; characters of key and value. */
  tagsMax: 50,
  tagKeyChars: 128,
  tagValueChars: 256,
  /** Longest id of an object that is kept beside its outputs. */
  physicalIdChars: 512,
  /** Times in a row that the onError hook of a step may ask for another attempt. */
  hookRetriesMax: 100,
  /** Shortest secret that the redactor looks for; shorter ones are protected by type only. */
  redactMinChars: 6,
  /** Copies of the state file that are kept beside it from before its schema was changed. */
  schemaCopiesMax: 3,
  /** Events of an environment: those younger than this stay, and so many of the newest; more than the last number never. */
  eventsKeptMs: 2_592_000_000,
  eventsKeptMin: 10_000,
  eventsKeptMax: 200_000,
  /** Revisions of a row kept below the base. */
  historyRevisions: 20,
} as const
