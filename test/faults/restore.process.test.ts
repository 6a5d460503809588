import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { readRows } from '../support/cluster.ts'
import { expectAuditClean } from '../support/expectations.ts'
import { expectProblem } from '../support/expect-problem.ts'
import { operationsOf } from '../support/open-api.ts'
import { bodyFor, nameOf, plausibleIds, urlFor } from '../support/requests.ts'
import { runToEnd, type Finished } from '../support/run-command.ts'
import { createSale, createShoppers, type TestSale, type TestShopper } from '../support/sale.ts'
import { checkOut, hold, invoiceIdOf, keyed, pay } from '../support/shopping.ts'
import { testAdminToken } from '../support/start-app.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'

/** An older copy is restored and newcomers register: GUARANTEES I32 and F31, with real processes. */
const root = fileURLToPath(new URL('../..', import.meta.url))

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

const environment = () => ({
  DATABASE_PATH: join(folder.path, 'holdfast.db'),
  PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
})
const copy = (): string => join(folder.path, 'copy.db')

async function start(): Promise<TestProcess> {
  const shop = await startProcess({ ...environment(), LOG_LEVEL: 'fatal' })
  shops.push(shop)
  await untilReady(shop)
  return shop
}

function command(name: 'backup' | 'restore', ...flags: readonly string[]): Promise<Finished> {
  const script = join(root, `dist/commands/${name}.js`)
  const options = { cwd: folder.path, environment: environment() }
  return runToEnd(process.execPath, [script, ...flags], options)
}

async function buyAndPay({ call }: TestProcess, sale: TestSale, shopper: TestShopper) {
  const reservationId = await hold(call, sale, shopper)
  const invoiceId = invoiceIdOf(await checkOut(call, shopper, 'their-key'))
  const paid = await pay(call, shopper, invoiceId, { key: 'their-key' })
  const { payment } = paid.body as unknown as { payment: { id: string; status: string } }
  return { reservationId, invoiceId, paymentId: payment.id }
}

/** Tries a token on every route for shoppers, with the ids and the key of its former owner. */
async function expectOpensNothing(
  { call }: TestProcess,
  { token }: TestShopper,
  sale: TestSale,
  ids: Readonly<Record<string, string>>,
) {
  const operations = operationsOf((await call('GET', '/openapi.json')).body)
  const forShoppers = operations.filter(({ access }) => access === 'shopper')
  expect(forShoppers.length).toBeGreaterThan(8)
  for (const operation of forShoppers) {
    const url = urlFor(operation, { ...plausibleIds(operation), ...ids })
    const body = nameOf(operation) === 'POST /v1/cart/items' ? sale : bodyFor(operation)
    const answer = await call(operation.method, url, { token, body, headers: keyed('their-key') })
    expectProblem(answer, 401, 'unauthenticated')
  }
}

describe('a copy that is restored after more was sold', () => {
  it('I32, F31: opens nobody’s account to anybody else, and a person is told of the forgotten payment', async () => {
    const before = await start()
    const sale = await createSale(before.call, { stock: 20 })
    const [keptShopper] = await createShoppers(before.call, 1)
    const kept = await buyAndPay(before, sale, keptShopper!)
    expect(await command('backup', '--to', copy())).toMatchObject({ code: 0, stderr: '' })

    const forgotten = await createShoppers(before.call, 3)
    const lost = await buyAndPay(before, sale, forgotten[0]!)
    await hold(before.call, sale, forgotten[1]!)
    const used = await command('restore', '--from', copy(), '--force')
    expect(used).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('A process uses') as string,
    })
    await before.stop()
    expect(await command('restore', '--from', copy())).toMatchObject({ code: 1 })

    const restored = await command('restore', '--from', copy(), '--force')
    expect(restored).toMatchObject({ code: 0, stderr: '' })
    expect(restored.stdout).toContain('now on the attention list: 1')
    const after = await start()
    const newcomers = await createShoppers(after.call, 3)
    expect(newcomers.map(({ id }) => id)).toEqual(forgotten.map(({ id }) => id))
    const theirs = await buyAndPay(after, sale, newcomers[0]!)
    const reservationId = await hold(after.call, sale, newcomers[1]!)

    const view = async () => {
      const asked = newcomers.flatMap(({ token }) =>
        ['/v1/cart', '/v1/invoices'].map((path) => after.call('GET', path, { token })),
      )
      return (await Promise.all(asked)).map(({ text }) => text)
    }
    const seen = await view()
    for (const shopper of forgotten) {
      await expectOpensNothing(after, shopper, sale, { reservationId, id: theirs.invoiceId })
      await expectOpensNothing(after, shopper, sale, { ...lost, id: lost.invoiceId })
    }
    expect(await view()).toEqual(seen)
    const { token } = keptShopper!
    const mine = await after.call('GET', `/v1/invoices/${kept.invoiceId}`, { token })
    expect(mine.body).toMatchObject({ status: 'paid', userId: keptShopper!.id })

    const list = await after.call('GET', '/v1/admin/attention', { token: testAdminToken })
    expect(list.body['items']).toMatchObject([
      { paymentId: lost.paymentId, invoiceId: null, userId: null, reason: 'forgotten' },
    ])
    await expectAuditClean(after.call)
  })

  it('is one history later, keeps what was there, and brings the ledger where none is', async () => {
    const first = await start()
    const sale = await createSale(first.call, { stock: 5 })
    const [shopper] = await createShoppers(first.call, 1)
    await buyAndPay(first, sale, shopper!)
    await command('backup', '--to', copy())
    await first.stop()
    const { DATABASE_PATH: path, PAYMENT_SIMULATOR_PATH: ledger } = environment()
    const installation = () => readRows(path, 'select id, history_id as history from installation')
    const [old] = installation()
    expect((await command('restore', '--from', copy(), '--force')).code).toBe(0)
    const [now] = installation()
    expect(now?.['id']).toBe(old?.['id'])
    expect(now?.['history']).not.toBe(old?.['history'])
    const aside = readdirSync(folder.path).filter((name) => name.includes('before-restore'))
    expect(readRows(join(folder.path, aside[0]!), 'select count(*) as n from invoices')).toEqual([
      { n: 1 },
    ])

    for (const name of readdirSync(folder.path)) {
      if (!name.startsWith('copy')) rmSync(join(folder.path, name))
    }
    const fresh = await command('restore', '--from', copy())
    expect(fresh).toMatchObject({ code: 0, stderr: '' })
    expect(fresh.stdout).toContain('ledger of the payment simulator was restored')
    expect(readRows(ledger, `select status from payments`)).toEqual([{ status: 'captured' }])
    await expectAuditClean((await start()).call)
  })

  it('changes nothing when the copy is damaged, violates an invariant or is half of one', async () => {
    const first = await start()
    await createSale(first.call, { stock: 5 })
    await command('backup', '--to', copy())
    await first.stop()
    const { DATABASE_PATH: path } = environment()
    const history = () => readRows(path, 'select history_id from installation')
    const before = history()
    const restore = () => command('restore', '--from', copy(), '--force')

    writeFileSync(`${copy()}-wal`, '')
    expect(await restore()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('-wal') as string,
    })
    rmSync(`${copy()}-wal`)
    const raw = new Sqlite(copy())
    raw.exec('update stock set available = available - 1, held = held + 1')
    raw.close()
    expect(await restore()).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('I3') as string,
    })
    truncateSync(copy(), 3 * 4096)
    expect(await restore()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('damaged') as string,
    })
    expect(history()).toEqual(before)
    expect(readdirSync(folder.path).filter((name) => name.includes('restor'))).toEqual([])
    expect((await command('restore')).code).toBe(2)
    expect((await command('restore', '--help')).stdout).toContain('Usage: npm run restore')
  })
})
