/** Collects what arrives in one tick of the event loop and hands it over together. */
export interface Batcher<T> {
  /** Adds one item to the next batch. */
  add(item: T): void
  /** Resolves when nothing is collected and no batch is running. */
  idle(): Promise<void>
  /** Items collected and not handed over yet. */
  size(): number
}

export interface BatcherOptions<T> {
  /** One batch at a time; what arrives meanwhile makes the next one. Must not throw. */
  readonly run: (batch: readonly T[]) => Promise<void>
  readonly batchSizeMax: number
  /** Runs a task after the current tick's arrivals; `setImmediate` outside simulations. */
  readonly defer: (task: () => void) => void
}

/** No timer: a lone item waits for the end of its tick, under load batches grow by themselves. */
export function createBatcher<T>(options: BatcherOptions<T>): Batcher<T> {
  let collected: T[] = []
  let scheduled = false
  let running = false
  let waitingForIdle: (() => void)[] = []

  function schedule(): void {
    if (scheduled || running || collected.length === 0) return
    scheduled = true
    options.defer(() => void flush())
  }

  async function flush(): Promise<void> {
    scheduled = false
    running = true
    const batch = collected.slice(0, options.batchSizeMax)
    collected = collected.slice(options.batchSizeMax)
    try {
      await options.run(batch)
    } finally {
      running = false
      schedule()
      announceIdle()
    }
  }

  function announceIdle(): void {
    if (running || collected.length > 0) return
    const waiters = waitingForIdle
    waitingForIdle = []
    for (const resolve of waiters) resolve()
  }

  return {
    add(item) {
      collected.push(item)
      schedule()
    },
    idle: () =>
      new Promise((resolve) => {
        waitingForIdle.push(resolve)
        announceIdle()
      }),
    size: () => collected.length,
  }
}
