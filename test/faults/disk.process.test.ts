import { existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { addToCart, buy, payFor } from '../support/buyers.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Answer } from '../support/http.ts'
import { mountFragile, mountSmall, type FragileDisk, type Lack } from '../support/mounts.ts'
import { openPaymentScene, resolvedMs, type Buyer } from '../support/payment-scene.ts'
import { createSale, createShopper, createShoppers } from '../support/sale.ts'
import { checkOut, hold, invoiced, pay } from '../support/shopping.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { createRandom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { until } from '../support/until.ts'
import { warn } from '../support/warn.ts'

/**
 * Tests F12 and the power cut with the disk under a real process. Mounting needs root and Linux.
 */

function sayLoudly(what: string, { lacks }: Lack): string {
  const text = `SKIPPED, NOT TESTED: ${what} needs ${lacks}`
  warn(text)
  return text
}

describe('a disk that is full', () => {
  it.concurrent(
    'F12: is a 503 for whoever writes, pays nothing, hides nothing, and needs no restart when there is room',
    async ({ skip }) => {
      const folder = createTemporaryFolder()
      const disk = mountSmall(folder.path, 8)
      if ('lacks' in disk) {
        folder.remove()
        return skip(sayLoudly('a full disk', disk))
      }
      const shop = await startOn(disk.path, folder)
      try {
        await fillAndFree(shop, disk.path, join(folder.path, 'provider.db'))
      } finally {
        await shop.stop()
        disk.unmount()
        folder.remove()
      }
    },
  )
})

async function startOn(path: string, folder: TemporaryFolder): Promise<TestProcess> {
  const shop = await startProcess({
    DATABASE_PATH: join(path, 'holdfast.db'),
    PAYMENT_SIMULATOR_PATH: join(folder.path, 'provider.db'),
    ADD_TO_CART_WAIT_MS: '1000',
    LOG_LEVEL: 'error',
  })
  await untilReady(shop)
  return shop
}

async function fillAndFree(shop: TestProcess, path: string, ledger: string): Promise<void> {
  const { call } = shop
  const sale = await createSale(call, { stock: 50 })
  const unpaid = await invoiced(call, sale)
  const undecided = await invoiced(call, sale)
  const inCart = await createShopper(call)
  await hold(call, sale, inCart)
  const [late, ...others] = await createShoppers(call, 20)
  const slow = pay(call, undecided.shopper, undecided.invoiceId, { method: 'pm_slow' })
  const statusOf = async ({ shopper, invoiceId }: Awaited<ReturnType<typeof invoiced>>) =>
    (await call('GET', `/v1/invoices/${invoiceId}`, { token: shopper.token })).body as unknown as {
      readonly status: string
    }
  await until(
    async () => (await statusOf(undecided)).status === 'paying',
    5_000,
    'the slow attempt',
  )

  const filler = fill(path)
  const register = () => call('POST', '/v1/users', { body: newcomer() })
  await until(async () => (await register()).status === 503, 10_000, 'the disk being full')
  const adding = others.map((shopper) => addToCart(call, sale, shopper))
  const key = 'while-full'
  for (const answer of [
    await checkOut(call, inCart, key),
    await pay(call, unpaid.shopper, unpaid.invoiceId, { key }),
  ]) {
    expectUnavailable(answer)
  }
  for (const { status } of await Promise.all(adding)) expect([202, 503]).toContain(status)
  expect((await call('GET', '/livez')).status).toBe(200)
  expect(await readStock(call, sale.productId)).toMatchObject({ available: 47, held: 3 })
  expect(await statusOf(unpaid)).toMatchObject({ status: 'unpaid' })
  const cart = await call('GET', '/v1/cart', { token: inCart.token })
  expect(cart.body).toMatchObject({ items: [{ productId: sale.productId }] })
  const asked = () => readLedger(ledger)
  await until(() => asked().length > 0, 10_000, 'the slow authorisation')
  expect((await slow).status).toBe(202)
  expect(asked()).toEqual([{ invoice: undecided.invoiceId, status: 'authorized' }])
  expect(await statusOf(undecided)).toMatchObject({ status: 'paying' })

  unlinkSync(filler)
  await until(async () => (await register()).status === 201, 5_000, 'room being noticed')
  expect((await checkOut(call, inCart, key)).status).toBe(201)
  expect((await pay(call, unpaid.shopper, unpaid.invoiceId, { key })).status).toBe(200)
  expect((await buy(call, sale, late!)).outcome).toBe('held')
  await payFor(call, late!)
  const isPaid = async () => (await statusOf(undecided)).status === 'paid'
  await until(isPaid, resolvedMs, 'the slow attempt being paid', 50)
  const isCaptured = () => asked().every(({ status }) => status === 'captured')
  await until(isCaptured, resolvedMs, 'the captures', 50)
  expect(asked()).toHaveLength(3)
  await expectAuditClean(call)
}

let newcomers = 0
function newcomer(): Readonly<Record<string, string>> {
  newcomers += 1
  return { name: 'Ann', email: `ann-${newcomers}@example.com` }
}

function expectUnavailable({ status, headers, body }: Answer): void {
  expect([status, body]).toMatchObject([503, { code: 'database_unavailable' }])
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
}

/** Fills the disk to the last page. */
function fill(folder: string): string {
  const path = join(folder, 'filler')
  for (let bytes = 1024 * 1024; bytes >= 4096; bytes /= 2) {
    while (writes(path, bytes)) continue
  }
  return path
}

function writes(path: string, bytes: number): boolean {
  try {
    writeFileSync(path, Buffer.alloc(bytes, 'x'), { flag: 'a' })
    return true
  } catch {
    return false
  }
}

function readLedger(path: string): readonly { invoice: string; status: string }[] {
  const connection = new Sqlite(path, { readonly: true })
  try {
    return connection
      .prepare<[], { invoice: string; status: string }>(
        'select invoice_id as invoice, status from payments order by created_at',
      )
      .all()
  } finally {
    connection.close()
  }
}

describe(`a power cut (seed ${testSeed})`, () => {
  const rounds = 4
  const atOnce = 20
  const lanes = 5

  /**
   * Splits the shoppers into lanes, so that the power cut comes between the first payment and the
   * last.
   */
  const lanesOf = (ready: readonly Awaited<ReturnType<typeof invoiced>>[]) =>
    Array.from({ length: lanes }, (_, lane) =>
      ready
        .filter((_, index) => index % lanes === lane)
        .map((each): Buyer => ({ ...each, method: 'pm_ok', told: 0 })),
    )

  it.concurrent(
    'leaves every invoice that was told paid, and every hold that was told, and both books agree',
    async ({ skip }) => {
      const folder = createTemporaryFolder()
      const disk = mountFragile(folder.path)
      if ('lacks' in disk) {
        folder.remove()
        return skip(sayLoudly('a power cut', disk))
      }
      try {
        await cutAgainAndAgain(disk)
      } finally {
        disk.unmount()
        folder.remove()
      }
    },
  )

  function heldBy({ status, body }: Answer): readonly string[] {
    const { reservation } = body as unknown as { readonly reservation: { readonly id: string } }
    return status === 201 ? [reservation.id] : []
  }

  async function cutAgainAndAgain(disk: FragileDisk): Promise<void> {
    const random = createRandom(testSeed)
    const scene = await openPaymentScene(disk.path)
    const { shop, pay: payAs, statusOf, query } = scene
    try {
      const sale = await createSale(shop().call, { stock: 500 })
      const buyers: Buyer[] = []
      const held: string[] = []
      for (let round = 0; round < rounds; round += 1) {
        const ready = await Promise.all(
          Array.from({ length: atOnce }, () => invoiced(shop().call, sale)),
        )
        const shoppers = await createShoppers(shop().call, atOnce)
        const unsynced = join(disk.path, `unsynced-${round}`)
        writeFileSync(unsynced, 'never synced')
        let told = 0
        const payOne = async (buyer: Buyer): Promise<Buyer> => {
          const paid = await payAs(buyer)
          if (paid.told === 200) told += 1
          return paid
        }
        const payInTurns = async (lane: readonly Buyer[]): Promise<readonly Buyer[]> => {
          const paid: Buyer[] = []
          for (const each of lane) paid.push(await payOne(each))
          return paid
        }
        const paying = lanesOf(ready).map(payInTurns)
        const adding = shoppers.map((each) => addToCart(shop().call, sale, each))
        const enough = 1 + Math.floor(random() * (atOnce - lanes))
        await until(() => told >= enough, 10_000, 'some being told', 1)
        disk.cutPower()
        buyers.push(...(await Promise.all(paying)).flat())
        held.push(...(await Promise.all(adding)).flatMap(heldBy))
        await scene.killAndRestart(() => {
          disk.repair()
        })
        // Data without a sync must be gone; otherwise this was no power cut.
        expect(existsSync(unsynced) ? statSync(unsynced).size : 0).toBe(0)
      }
      await scene.untilSettled()
      const told = buyers.filter((buyer) => buyer.told === 200)
      expect(told).not.toEqual([])
      for (const buyer of told) expect(await statusOf(buyer)).toBe('paid')
      const there = query('shop', `select id from reservations where status = 'held'`)
      expect(there.map(({ id }) => id)).toEqual(expect.arrayContaining(held))
      expect(await scene.disagreements()).toEqual([])
    } finally {
      await scene.close()
    }
  }
})
