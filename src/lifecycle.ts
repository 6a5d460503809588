import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/**
 * A part of the program that starts and stops. `start` resolves when the service works, or when it
 * has begun to reconnect by itself; `stop` resolves when its work in flight has ended. Both are
 * idempotent.
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
  /** A service may take this long to stop; then the next one is stopped all the same. */
  readonly stopTimeoutMs: number
  /** All services together may take this long to stop. */
  readonly totalStopTimeoutMs: number
}

/**
 * Starts the services in order and stops them in reverse order. When one fails to start, those that
 * have started are stopped again.
 */
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
      // The caller of the start reports the error; this line says which service it was.
      options.logger.debug({ err: error, service: service.name }, 'service did not start')
      await stop()
      throw error
    }
  }

  function stop(): Promise<void> {
    stopping ??= stopAll()
    return stopping
  }

  async function stopAll(): Promise<void> {
    // A service that is still starting would go on after its `stop`, so the start is awaited first.
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

/** Combines services that start and stop at the same time into one. */
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
