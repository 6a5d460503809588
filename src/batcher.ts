/** Collects the items of one tick of the event loop and hands them over together. */
export interface Batcher<T> {
  /** Adds one item to the next batch. */
  add(item: T): void
  /** Resolves when nothing is collected and no batch is running. */
  idle(): Promise<void>
  /** Returns how many items are collected and not handed over yet. */
  size(): number
}

export interface BatcherOptions<T> {
  /**
   * Handles a batch and must not throw. Only one batch runs at a time; later items make the next
   * one.
   */
  readonly run: (batch: readonly T[]) => Promise<void>
  readonly batchSizeMax: number
  /**
   * Runs a task after the arrivals of the current tick; it is `setImmediate` outside of
   * simulations.
   */
  readonly defer: (task: () => void) => void
}

/**
 * Makes a batcher. It has no timer: a single item waits only for the end of its tick, and under
 * load the batches grow because items arrive while the batch before them runs.
 */
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
