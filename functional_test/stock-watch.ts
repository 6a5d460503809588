import type { Client } from './client.ts'
import { stockSchema } from './contract.ts'
import type { History, StockSample } from './history.ts'
import { now, pause } from './time.ts'

/** The reason for waking a waiting bot: `stock` is available, or it is `over` for good. */
export type Chance = 'stock' | 'over'

/** Reads API A through the whole run. */
export interface StockWatch {
  latest(): StockSample | undefined
  /**
   * Resolves when API A showed stock in a read that was sent after `since`, or never will again.
   */
  nextChance(since: number): Promise<Chance>
  /** There will be no stock again. */
  isOver(): boolean
  /** Wakes all waiting bots for good. */
  callOff(): void
  stop(): Promise<void>
}

const readEveryMs = 50

export function watchStock(client: Client, history: History, productId: number): StockWatch {
  let waiting: { readonly since: number; readonly wake: (chance: Chance) => void }[] = []
  let calledOff = false
  let stopped = false

  const latest = (): StockSample | undefined => history.stock.at(-1)
  const isOver = (): boolean => calledOff || stopped || soldOutForGood(latest())
  const wakeThoseConcerned = (): void => {
    const over = isOver()
    const sample = latest()
    const stillWaiting: typeof waiting = []
    for (const waiter of waiting) {
      if (over) waiter.wake('over')
      else if (offers(sample, waiter.since)) waiter.wake('stock')
      else stillWaiting.push(waiter)
    }
    waiting = stillWaiting
  }

  const run = async (): Promise<void> => {
    while (!stopped && now() < client.deadlineAt) {
      const startedAt = now()
      const sample = await readStock(client, productId)
      if (sample !== null) history.stock.push(sample)
      wakeThoseConcerned()
      await pause(readEveryMs - (now() - startedAt))
    }
    calledOff = true
    wakeThoseConcerned()
  }
  const running = run()

  return {
    latest,
    isOver,
    nextChance(since) {
      if (isOver()) return Promise.resolve('over')
      if (offers(latest(), since)) return Promise.resolve('stock')
      return new Promise((wake) => waiting.push({ since, wake }))
    },
    callOff() {
      calledOff = true
      wakeThoseConcerned()
    },
    async stop() {
      stopped = true
      await running
    },
  }
}

/** One read of API A; null when it gave no counters. */
export async function readStock(client: Client, productId: number): Promise<StockSample | null> {
  const reply = await client.once({
    step: 'stock (API A)',
    method: 'GET',
    path: `/v1/products/${productId}/stock`,
  })
  if (reply?.status !== 200) return null
  const stock = stockSchema.safeParse(reply.body)
  if (!stock.success) return null
  return { ...stock.data, sentAt: reply.sentAt, answeredAt: reply.answeredAt }
}

const offers = (sample: StockSample | undefined, since: number): boolean =>
  sample !== undefined && sample.sentAt > since && sample.available > 0

/** Held units may come back; sold ones never do. */
const soldOutForGood = (sample: StockSample | undefined): boolean =>
  sample !== undefined && sample.available <= 0 && sample.held <= 0
