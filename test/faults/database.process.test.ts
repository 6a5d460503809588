import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { openSqlite } from '../../src/db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../../src/holdfast.ts'
import { Sqlite, type SqliteDatabase } from '../../src/db/sqlite/driver.ts'
import { addToCart, buy } from '../support/buyers.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Answer } from '../support/http.ts'
import { startLivezProbe } from '../support/livez-probe.ts'
import { lockDatabase } from '../support/lock-database.ts'
import { createSale, createShoppers, type TestSale, type TestShopper } from '../support/sale.ts'
import { checkOut, pay } from '../support/shopping.ts'
import { program, startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { testRandom } from '../support/seed.ts'

/** Tests the faults of the database, F11 and F21, with real processes. */
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

const environment = () => ({
  DATABASE_PATH: databasePath(),
  PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
  LOG_LEVEL: 'error',
})

async function start(): Promise<TestProcess> {
  const shop = await startProcess(environment())
  shops.push(shop)
  await untilReady(shop)
  return shop
}

describe('a database that another process locks for ten seconds', () => {
  const lockedMs = 10_000
  /** A wait inside SQLite would hold the loop for all the ten seconds; a busy machine for less than two. */
  const stallMsMax = 3_000
  const busyShoppers = 150

  it('F11: holds up no event loop under load, and all is well once it is free', async () => {
    const shop = await start()
    const { call } = shop
    const sale = await createSale(call, { stock: 2_000 })
    const shoppers = await createShoppers(call, busyShoppers)
    const [writer] = await createShoppers(call, 1)
    const probe = await startLivezProbe(shop.url)
    const load = loadOf(shop, sale, shoppers)
    await until(() => load.answered() > 500, 10_000, 'the load')
    const lock = lockDatabase(databasePath())
    probe.begin()
    const lockedAt = performance.now()
    const refused = call('DELETE', '/v1/cart', { token: writer!.token })
    await until(() => performance.now() - lockedAt > lockedMs, lockedMs + 1_000, 'the time')
    expect((await refused).status).toBe(503)
    lock.release()
    const before = load.succeeded()
    await until(() => load.succeeded() > before + 100, 5_000, 'business as usual')
    expect(await probe.stop()).toBeLessThan(stallMsMax)
    const statuses = await load.stop()
    expect([...statuses].filter((status) => !allowed.includes(status))).toEqual([])
    expect((await buy(call, sale, shoppers[0]!, { key: 'last' })).outcome).toBe('held')
    const { available, held, sold } = await readStock(call, sale.productId)
    expect(available + held + sold).toBe(2_000)
    await expectAuditClean(call)
  })
})

const allowed: readonly number[] = [200, 201, 202, 402, 409, 503]

interface Load {
  answered(): number
  /** Returns the number of successful writes. */
  succeeded(): number
  /** Ends the load and resolves with all statuses that came. */
  stop(): Promise<ReadonlySet<number>>
}

/** Lets all shoppers add to cart, read, check out and pay again and again, without a pause. */
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
      const { invoice } = checkout.body as unknown as { invoice?: { id: string } }
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
  const migrations = readMigrations(migrationsFolder)
  const rows = 100_000

  async function makeOldDatabase(): Promise<void> {
    const old = openSqlite({ path: databasePath(), clock: systemClock, random: testRandom() })
    await migrate(old, migrations.slice(0, 1), 5)
    await old.close()
  }

  it('F21: two starters at once on an old database both come up, on the new schema, applied once', async () => {
    await makeOldDatabase()
    const [one, other] = await Promise.all([start(), start()])
    const sale = await createSale(one.call, { stock: 1 })
    const [shopper] = await createShoppers(other.call, 1)
    expect((await buy(one.call, sale, shopper!)).outcome).toBe('held')
    const database = openSqlite({ path: databasePath(), clock: systemClock, random: testRandom() })
    expect(await migrate(database, migrations, 6)).toEqual([])
    await database.close()
    await expectAuditClean(other.call)
  })

  it('F21: killed half way, they leave the old schema with every row, and the next start makes the new one', async () => {
    await makeOldDatabase()
    const database = new Sqlite(databasePath())
    try {
      database.pragma('wal_autocheckpoint = 0')
      database.exec(manyInvoices(rows))
      database.pragma('wal_checkpoint(truncate)')
      const before = schemaOf(database)
      const killed = spawn(process.execPath, [program], {
        env: { ...process.env, ...environment(), PORT: '0', NODE_ENV: 'test' },
        stdio: 'ignore',
      })
      const gone = once(killed, 'exit')
      // SQLite writes pages that do not fit into its cache before the commit.
      await until(() => statSync(`${databasePath()}-wal`).size > 0, 20_000, 'being half way', 1)
      killed.kill('SIGKILL')
      await gone
      expect(statSync(`${databasePath()}-wal`).size).toBeGreaterThan(0)
      expect(schemaOf(database)).toEqual(before)
      expect(countInvoices(database)).toBe(rows)

      const shop = await start()
      expect(schemaOf(database)).not.toEqual(before)
      const applied = database.prepare('select name from schema_migrations order by name').all()
      expect(applied).toEqual(migrations.map(({ name }) => ({ name })))
      expect(countInvoices(database)).toBe(rows)
      await expectAuditClean(shop.call)
    } finally {
      database.close()
    }
  })
})

const schemaOf = (database: SqliteDatabase): unknown =>
  database.prepare('select type, name, sql from sqlite_schema order by name').all()

const countInvoices = (database: SqliteDatabase): unknown =>
  database.prepare('select count(*) from invoices').pluck().get()

/** Returns SQL that fills a database of the first schema with many invoices. */
const manyInvoices = (count: number): string => `
  insert into users values (2, 'Ann', 'ann@example.com', 0);
  create temp table numbers as
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count}) select i from n;
  begin;
  insert into carts select 'cart-' || i, 2, 'checked_out', 0 from numbers;
  insert into invoices
    select 'invoice-' || i, 2, 'cart-' || i, 'key-' || i, 'cancelled', 0, 'EUR', 300, 9, 1, null, 3
    from numbers;
  commit;`
