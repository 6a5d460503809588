import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { addToCart } from '../support/buyers.ts'
import { expectProblem } from '../support/expect-problem.ts'
import { createCall } from '../support/http.ts'
import { findFreePort } from '../support/processes/free-port.ts'
import { createSale, createShopper } from '../support/sale.ts'
import { program, startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/** The database file is removed, replaced or damaged: GUARANTEES F35 and I22, with real processes. */
let folder: TemporaryFolder
let shop: TestProcess | undefined

beforeEach(() => {
  folder = createTemporaryFolder()
  shop = undefined
})

afterEach(async () => {
  await shop?.stop()
  folder.remove()
})

const databasePath = (): string => join(folder.path, 'data', 'holdfast.db')

const environment = () => ({
  DATABASE_PATH: databasePath(),
  PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
})

async function start(): Promise<TestProcess> {
  shop = await startProcess({ ...environment(), LOG_LEVEL: 'fatal' })
  await untilReady(shop)
  return shop
}

describe('a database file under a running shop', () => {
  const harms: readonly (readonly [string, (path: string) => void, string])[] = [
    [
      'removed',
      (path) => {
        rmSync(path)
      },
      'removed or moved',
    ],
    [
      'replaced',
      (path) => {
        copyFileSync(path, `${path}.c`)
        renameSync(`${path}.c`, path)
      },
      'replaced',
    ],
    [
      'overwritten in place',
      (path) => {
        writeFileSync(path, 'x'.repeat(100_000))
      },
      'overwritten',
    ],
    [
      'moved with its folder',
      (path) => {
        renameSync(join(path, '..'), join(path, '../../old'))
      },
      'removed or moved',
    ],
  ]

  it.each(harms)(
    'F35: that is %s: not ready, says so, sells and shows nothing',
    async (_title, harm, says) => {
      const { call, output } = await start()
      const sale = await createSale(call, { stock: 5 })
      const shopper = await createShopper(call)
      expect((await addToCart(call, sale, shopper)).status).toBe(201)
      harm(databasePath())
      const ready = () => call('GET', '/readyz')
      await until(async () => (await ready()).status === 503, 20_000, 'not ready', 25)
      expect((await ready()).text).toContain(says)
      await until(() => output().includes('the database file is lost'), 20_000, 'the log line', 25)
      const checkout = await call('POST', '/v1/checkout', { token: shopper.token })
      expectProblem(checkout, 503, 'database_unavailable')
      const cart = await call('GET', '/v1/cart', { token: shopper.token })
      expectProblem(cart, 503, 'database_unavailable')
      expect((await call('GET', '/livez')).status).toBe(200)
    },
  )
})

describe('a damaged database file', () => {
  it('I22: is alive and not ready, says what is damaged, and stops when told to', async () => {
    const { call, stop } = await start()
    await createSale(call, { stock: 5 })
    await stop()
    shop = undefined
    const raw = new Sqlite(databasePath())
    const page = raw.prepare(`select rootpage from sqlite_schema where name = 'products'`).pluck()
    const root = page.get() as number
    raw.close()
    const bytes = readFileSync(databasePath())
    bytes.fill(0xa5, (root - 1) * 4096 + 8, root * 4096)
    writeFileSync(databasePath(), bytes)

    const port = await findFreePort()
    const child = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], NODE_ENV: 'test', PORT: String(port), ...environment() },
      stdio: 'ignore',
    })
    const gone = once(child, 'exit') as Promise<[number | null]>
    const ask = createCall(`http://127.0.0.1:${port}`)
    const damaged = async () => {
      const answer = await ask('GET', '/readyz').catch(() => undefined)
      return answer?.status === 503 && answer.text.includes('damaged: products')
    }
    await until(damaged, 30_000, 'the damage in /readyz', 25)
    expect((await ask('GET', '/livez')).status).toBe(200)
    expectProblem(await ask('GET', '/v1/products/1/stock'), 503, 'database_unavailable')
    child.kill('SIGTERM')
    expect((await gone)[0]).toBe(0)
  })
})
