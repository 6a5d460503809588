import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from './clock.ts'
import { migrate, readMigrations } from './db/migrate.ts'
import { openSqlite } from './db/sqlite.ts'
import { migrationsFolder } from './holdfast.ts'
import { addToCart, buy } from './testing/buyers.ts'
import { expectAuditClean, readStock } from './testing/expectations.ts'
import type { Answer } from './testing/http.ts'
import { startLivezProbe } from './testing/livez-probe.ts'
import { lockDatabase } from './testing/lock-database.ts'
import { createSale, createShoppers, type TestSale, type TestShopper } from './testing/sale.ts'
import { checkOut, pay } from './testing/shopping.ts'
import { startProcess, untilReady, type TestProcess } from './testing/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from './testing/temporary-folder.ts'
import { until } from './testing/until.ts'

/** Faults of the database, GUARANTEES F11 and F21, with real processes. */
let folder: TemporaryFolder
let shops: TestProcess[]

beforeEach(() => {
  folder = createTemporaryFolder()
  shops = []
})

afterEach(async () => {
  await Promise.all(shops.map((shop) => shop.stop()))
  folder.remove()
})

const databasePath = (): string => join(folder.path, 'holdfast.db')

async function start(): Promise<TestProcess> {
  const shop = await startProcess({
    DATABASE_PATH: databasePath(),
    PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    LOG_LEVEL: 'error',
  })
  shops.push(shop)
  await untilReady(shop)
  return shop
}

describe('a database that another process locks for ten seconds', () => {
  const lockedMs = 10_000
  const stallMsMax = 300
  const busyShoppers = 150

  it('F11: stops no event loop for more than 300 ms under load, and all is well once it is free', async () => {
    const shop = await start()
    const { call } = shop
    const sale = await createSale(call, { stock: 2_000 })
    const shoppers = await createShoppers(call, busyShoppers)
    const probe = await startLivezProbe(shop.url)
    const load = loadOf(shop, sale, shoppers)
    await until(() => load.answered() > 500, 10_000, 'the load')
    const lock = lockDatabase(databasePath())
    probe.begin()
    const lockedAt = performance.now()
    await until(() => performance.now() - lockedAt > lockedMs, lockedMs + 1_000, 'the time')
    lock.release()
    const before = load.succeeded()
    await until(() => load.succeeded() > before + 100, 5_000, 'business as usual')
    expect(await probe.stop()).toBeLessThan(stallMsMax)
    const statuses = await load.stop()
    expect([...statuses].filter((status) => !allowed.includes(status))).toEqual([])
    expect(statuses).toContain(503)
    expect((await buy(call, sale, shoppers[0]!, { key: 'last' })).outcome).toBe('held')
    const { available, held, sold } = await readStock(call, sale.productId)
    expect(available + held + sold).toBe(2_000)
    await expectAuditClean(call)
  })
})

const allowed: readonly number[] = [200, 201, 202, 402, 409, 503]

interface Load {
  answered(): number
  /** Writes that were done. */
  succeeded(): number
  /** All statuses that came. */
  stop(): Promise<ReadonlySet<number>>
}

/** Everybody adds to cart, looks, checks out and pays, again and again, without a pause. */
function loadOf({ call }: TestProcess, sale: TestSale, shoppers: readonly TestShopper[]): Load {
  const statuses = new Set<number>()
  let stopped = false
  let answered = 0
  let succeeded = 0

  function note({ status }: Answer): void {
    statuses.add(status)
    answered += 1
    if (status === 201) succeeded += 1
  }

  async function live(shopper: TestShopper): Promise<void> {
    for (let round = 0; !stopped; round += 1) {
      note(await addToCart(call, sale, shopper, { key: `round-${round}` }))
      note(await call('GET', `/v1/products/${sale.productId}/stock`))
      const checkout = await checkOut(call, shopper)
      note(checkout)
      const { invoice } = (checkout.body ?? {}) as unknown as { invoice?: { id: string } }
      if (invoice !== undefined) note(await pay(call, shopper, invoice.id))
    }
  }

  const lives = shoppers.map(live)
  return {
    answered: () => answered,
    succeeded: () => succeeded,
    async stop() {
      stopped = true
      await Promise.all(lives)
      return statuses
    },
  }
}

describe('migrations', () => {
  it('F21: two starters at once on an old database both come up, on the new schema, applied once', async () => {
    const migrations = readMigrations(migrationsFolder)
    const old = openSqlite({ path: databasePath(), clock: systemClock, random: Math.random })
    await migrate(old, migrations.slice(0, 1), 5)
    await old.close()
    const [one, other] = await Promise.all([start(), start()])
    const sale = await createSale(one.call, { stock: 1 })
    const [shopper] = await createShoppers(other.call, 1)
    expect((await buy(one.call, sale, shopper!)).outcome).toBe('held')
    const database = openSqlite({ path: databasePath(), clock: systemClock, random: Math.random })
    expect(await migrate(database, migrations, 6)).toEqual([])
    await database.close()
    await expectAuditClean(other.call)
  })
})
