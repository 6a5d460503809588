import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buy, tally } from '../support/buyers.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import { createSale, createShopper, createShoppers } from '../support/sale.ts'
import { checkOut, hold } from '../support/shopping.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { createWallClock, type WallClock } from '../support/wall-clock.ts'

const hourMs = 3_600_000
const buyers = 30

/** Tests F13: the wall clock of a real process is set an hour away and back. */
describe.each([
  ['forward', hourMs],
  ['back', -hourMs],
])('F13: when the clock is set an hour %s', (_direction, aheadMs) => {
  let folder: TemporaryFolder
  let clock: WallClock
  let shop: TestProcess

  beforeEach(async () => {
    folder = createTemporaryFolder()
    clock = createWallClock(folder.path)
    shop = await startProcess({
      ...clock.environment,
      DATABASE_PATH: `${folder.path}/holdfast.db`,
      PAYMENT_SIMULATOR_PATH: `${folder.path}/payment-simulator.db`,
    })
    await untilReady(shop)
  })

  afterEach(async () => {
    await shop.stop()
    folder.remove()
  })

  async function set(toMs: number): Promise<void> {
    const before = wasSet()
    clock.set(toMs)
    if (toMs !== 0) await until(() => wasSet() > before, 10_000, 'the program seeing it')
  }

  const wasSet = (): number => shop.output().split('the clock was set').length - 1

  /** Checks that a hold of two seconds comes back although the clock is wrong. */
  async function expectSweeping(): Promise<void> {
    const { call } = shop
    const sale = await createSale(call, { stock: 1, holdSeconds: 2 })
    const { outcome } = await buy(call, sale, await createShopper(call))
    expect(outcome).toBe('held')
    const isBack = async () => (await readStock(call, sale.productId)).available === 1
    await until(isBack, 10_000, 'the unit coming back', 50)
  }

  it('and back again, no fresh hold ends, its owner can check out, and the sweep goes on', async () => {
    const { call } = shop
    const sale = await createSale(call, { stock: buyers, holdSeconds: 300 })
    const shoppers = await createShoppers(call, buyers - 1)
    const owner = await createShopper(call)
    const attempts = await Promise.all(shoppers.map((shopper) => buy(call, sale, shopper)))
    expect(tally(attempts)).toEqual({ held: buyers - 1 })

    await set(aheadMs)
    await hold(call, sale, owner)
    await expectSweeping()
    const { status, body } = await checkOut(call, owner)
    const { invoice } = body as unknown as { readonly invoice: { readonly dueAt: string } }
    expect(status).toBe(201)
    expect(Math.abs(Date.parse(invoice.dueAt) - Date.now())).toBeLessThan(600_000)
    expect(await readStock(call, sale.productId)).toMatchObject({ held: buyers, available: 0 })

    await set(0)
    await expectSweeping()
    expect(await readStock(call, sale.productId)).toMatchObject({ held: buyers, available: 0 })
    await expectAuditClean(call)
  })
})
