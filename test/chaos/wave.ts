import { createBots } from '../../functional_test/bots.ts'
import { createClient, type Client } from '../../functional_test/client.ts'
import { Crowd } from '../../functional_test/crowd.ts'
import { askTheShop, type Evidence } from '../../functional_test/evidence.ts'
import { emptyHistory, type StockSample } from '../../functional_test/history.ts'
import { lookAgain, waitForStock, waitForUnpaidHolds } from '../../functional_test/quiesce.ts'
import { raceAndReturn } from '../../functional_test/race.ts'
import type { Bot, Run } from '../../functional_test/run.ts'
import { createSale, type Sale } from '../../functional_test/sale.ts'
import { SetupError } from '../../functional_test/setup-error.ts'
import { readStock, watchStock, type StockWatch } from '../../functional_test/stock-watch.ts'
import { now, pause } from '../../functional_test/time.ts'
import type { Shop } from './shop.ts'

/** A sale with its bots. */
export interface Wave {
  /** Lets the bots shop. Resolves when every bot is done. */
  run(): Promise<void>
  /**
   * Waits, after all faults are repaired, until nothing is open, and reads the shop's final state.
   */
  settle(): Promise<Evidence>
  close(): Promise<void>
}

export interface WaveOptions {
  readonly index: number
  readonly bots: number
  readonly seed: number
  /** Bots send no request after this, ms of `now()`. */
  readonly deadlineAt: number
}

const botsPerUnit = 3
const returnForMs = 10_000
const settledWithinMs = 90_000
/** The resolver takes up an unanswered payment after 15 s, in rounds of 5 s. */
const resolvedWithinMs = 60_000

interface WaveContext {
  readonly shop: Shop
  readonly run: Run
  readonly bots: readonly Bot[]
  readonly sale: Sale
  readonly observer: Client
  readonly start: StockSample
}

/**
 * Makes the sale and its bots before any fault happens.
 * @throws SetupError
 */
export async function prepareWave(shop: Shop, options: WaveOptions): Promise<Wave> {
  const { index, deadlineAt } = options
  const history = emptyHistory()
  const origins = shop.apis.map(({ origin }) => origin)
  const about = { origins, history, faults: 'expected' } as const
  const shoppers = createClient({ ...about, deadlineAt })
  const observer = createClient({ ...about, deadlineAt: deadlineAt + settledWithinMs })
  const sale = await createSale(observer, shop.adminToken, Math.ceil(options.bots / botsPerUnit))
  const made = { count: options.bots, seed: options.seed + index }
  const bots = await createBots(observer, shop.adminToken, made)
  const start = await readStock(observer, sale.productId)
  if (start === null) throw new SetupError(`API A shows no stock of product ${sale.productId}`)
  const run: Run = {
    shoppers,
    history,
    flashSaleId: sale.flashSaleId,
    productId: sale.productId,
    crowd: new Crowd(bots.length),
    id: `wave${index}`,
  }
  const context: WaveContext = { shop, run, bots, sale, observer, start }
  const watch = watchStock(observer, history, sale.productId)
  return {
    async run() {
      await raceAndReturn(run, bots, { watch, onRaceSettled: () => undefined, returnForMs })
    },
    settle: () => settle(context, watch),
    async close() {
      await watch.stop()
      await Promise.all([shoppers.close(), observer.close()])
    },
  }
}

async function settle(context: WaveContext, watch: StockWatch): Promise<Evidence> {
  const { shop, run, bots, sale, observer, start } = context
  await untilNobodyPays(context)
  await waitForStock(run, watch)
  await waitForUnpaidHolds(run, bots, sale.clock.offsetMs)
  await waitForStock(run, watch)
  await lookAgain(run, bots)
  return {
    bots: bots.length,
    botOf: new Map(bots.map((bot) => [bot.userId, bot.index])),
    productId: run.productId,
    buyers: 'bots only',
    start,
    history: run.history,
    clock: sale.clock,
    answers: await askTheShop(observer, shop.adminToken, run.productId),
  }
}

async function untilNobodyPays({ shop, run, observer }: WaveContext): Promise<void> {
  const until = now() + resolvedWithinMs
  while (now() < until) {
    const { invoices } = await askTheShop(observer, shop.adminToken, run.productId)
    if (invoices?.every(({ status }) => status !== 'paying') === true) return
    await pause(500)
  }
}
