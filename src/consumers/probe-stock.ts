import type { Broker } from '../broker/broker.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readAvailable } from '../db/reserve/reserve-batch.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { ProductChannel } from './open-channels.ts'
import type { SoldOutGate } from './sold-out-gate.ts'

/**
 * Reads the stock of sold-out products once a second, so that a lost `stock_released` cannot freeze
 * a sale, and measures the queues of the consumers.
 */
export interface ProbeStock extends Service {
  /** Opens the gate of every closed product that has enough stock again. */
  probe(): Promise<void>
}

export interface ProbeStockOptions {
  readonly database: Database
  readonly broker: Broker
  readonly gate: SoldOutGate
  readonly channels: () => readonly ProductChannel[]
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

const probeEveryMs = 1_000

export function createProbeStock(options: ProbeStockOptions): ProbeStock {
  const { database, broker, gate, channels, clock, logger, metrics } = options
  let cancel: Cancel = () => undefined

  async function probe(): Promise<void> {
    const closed = gate.closed()
    metrics.gateClosedProducts.set(closed.size)
    if (closed.size === 0) return
    const stocks = await database.read(() => readAvailable([...closed.keys()]))
    for (const { productId, available } of stocks) {
      if (available >= (closed.get(productId) ?? Infinity)) gate.open(productId)
    }
  }

  /** Asks for all depths at once: one after the other, a silent nsqd took a second for each. */
  async function measureLag(): Promise<void> {
    const measured = channels().map(async ({ topic, channel }) => {
      const depth = await broker.depth(topic, channel)
      if (depth !== undefined) metrics.queueLag.set({ topic, channel }, depth)
    })
    await Promise.all(measured)
  }

  /** Runs `task` unless its last run still lasts. */
  function createRunner(task: () => Promise<void>, failed: string): Runner {
    let running: Promise<void> | undefined
    return {
      run() {
        running ??= task()
          .catch((error: unknown) => {
            logger.warn({ err: error }, failed)
          })
          .finally(() => {
            running = undefined
          })
      },
      ended: async () => running,
    }
  }

  // Apart from each other, so that a silent broker keeps no gate closed.
  const runners = [
    createRunner(probe, 'probing sold-out products failed, will try again'),
    createRunner(measureLag, 'measuring the queues failed, will try again'),
  ]

  return {
    name: 'stock probe',
    probe,
    start() {
      cancel = clock.every(probeEveryMs, () => {
        for (const runner of runners) runner.run()
      })
      return Promise.resolve()
    },
    async stop() {
      cancel()
      await Promise.all(runners.map((runner) => runner.ended()))
    },
  }
}

interface Runner {
  run(): void
  /** Resolves when nothing runs. */
  ended(): Promise<void>
}
