import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/**
 * The start and stop contract. `start` resolves when the service works (or supervises its own
 * reconnecting); `stop` waits for what is in flight. Both are idempotent.
 */
export interface Service {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
}

export interface LifecycleOptions {
  readonly services: readonly Service[]
  readonly clock: Clock
  readonly logger: Logger
  /** How long one service may take to stop before the next is stopped anyway. */
  readonly stopTimeoutMs: number
  /** How long all of them may take together. */
  readonly totalStopTimeoutMs: number
}

/** Starts in order, unwinding what has started when one fails; stops in reverse order. */
export function createLifecycle(options: LifecycleOptions): Service {
  const started: Service[] = []
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  let current = Promise.resolve()

  async function startAll(): Promise<void> {
    for (const service of options.services) {
      await startOne(service)
      if (stopping === undefined) continue
      await stopping
      throw new Error('stopped while starting')
    }
  }

  async function startOne(service: Service): Promise<void> {
    try {
      started.push(service)
      current = service.start()
      await current
    } catch (error) {
      options.logger.error({ err: error, service: service.name }, 'service did not start')
      await stop()
      throw error
    }
  }

  function stop(): Promise<void> {
    stopping ??= stopAll()
    return stopping
  }

  async function stopAll(): Promise<void> {
    // A service that is still starting could not be stopped for good.
    await current.catch(() => undefined)
    const deadline = options.clock.monotonic() + options.totalStopTimeoutMs
    for (let service = started.pop(); service !== undefined; service = started.pop()) {
      const left = deadline - options.clock.monotonic()
      const stopTimeoutMs = Math.max(0, Math.min(options.stopTimeoutMs, left))
      await stopWithDeadline(service, { ...options, stopTimeoutMs })
    }
  }

  return { name: 'lifecycle', start: () => (starting ??= startAll()), stop }
}

/** Services that start and stop at the same time, as one. */
export function together(name: string, services: readonly Service[]): Service {
  return {
    name,
    async start() {
      await Promise.all(services.map((service) => service.start()))
    },
    async stop() {
      await Promise.all(services.map((service) => service.stop()))
    },
  }
}

async function stopWithDeadline(service: Service, options: LifecycleOptions): Promise<void> {
  const { clock, logger, stopTimeoutMs } = options
  let cancel = (): void => undefined
  const deadline = new Promise<'late'>((resolve) => {
    cancel = clock.after(stopTimeoutMs, () => {
      resolve('late')
    })
  })
  try {
    const result = await Promise.race([service.stop(), deadline])
    if (result === 'late') logger.error({ service: service.name }, 'service took too long to stop')
  } catch (error) {
    logger.error({ err: error, service: service.name }, 'service did not stop cleanly')
  } finally {
    cancel()
  }
}
