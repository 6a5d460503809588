import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  requireNsqd,
  requireNsqlookupd,
  startNsqd,
  startNsqlookupd,
  type NsqProcess,
} from '../../scripts/nsqd-process.ts'
import {
  environmentOf,
  flagsOf,
  programServices,
  readCompose,
  serviceOf,
} from '../support/compose.ts'
import type { Answer, Body, Call } from '../support/http.ts'
import { walk } from '../support/readme.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/**
 * Starts the services of docker-compose.yml as local processes, with its environment and flags.
 * Only host names, paths and ports are mapped to local ones.
 */
const nsqdBinary = await requireNsqd()
const nsqlookupdBinary = await requireNsqlookupd()
const absent = nsqdBinary === undefined || nsqlookupdBinary === undefined

describe.skipIf(absent)('what docker-compose.yml starts', () => {
  const compose = readCompose()
  const folder = createTemporaryFolder()
  const processes = new Map<string, TestProcess>()
  const daemons: NsqProcess[] = []
  const adminToken = environmentOf(serviceOf(compose, 'api-1'))['ADMIN_TOKEN'] ?? ''

  beforeAll(async () => {
    const lookupd = await startNsqlookupd({ binary: nsqlookupdBinary ?? '' })
    daemons.push(lookupd)
    const dataPath = join(folder.path, 'nsqd')
    const flags = flagsOf(serviceOf(compose, 'nsqd'))
    const nsqd = await startNsqd({
      binary: nsqdBinary ?? '',
      dataPath,
      flags: { ...flags, 'data-path': dataPath },
      lookupdTcpAddress: lookupd.tcpAddress,
    })
    daemons.push(nsqd)
    const addresses = new Map([
      ['nsqd:4150', nsqd.tcpAddress],
      ['nsqd:4151', nsqd.httpAddress],
      ['nsqlookupd:4161', lookupd.httpAddress],
    ])
    for (const name of programServices) {
      const environment = environmentOf(serviceOf(compose, name))
      const mapped = Object.entries(environment).map(([variable, value]) => [
        variable,
        addresses.get(value) ?? value.replace(/^\/data(?=\/)/, folder.path),
      ])
      const local = { ...Object.fromEntries(mapped), PORT: '0' } as Record<string, string>
      const started = await startProcess(local)
      processes.set(name, started)
      await untilReady(started)
    }
  })

  afterAll(async () => {
    await Promise.all([...processes.values()].map((each) => each.kill()))
    await Promise.all(daemons.map((daemon) => daemon.dispose()))
    folder.remove()
  })

  function call(name: string): Call {
    const found = processes.get(name)
    if (found === undefined) throw new Error(`${name} was not started`)
    return found.call
  }

  it('is healthy by its own health checks', async () => {
    for (const name of programServices) {
      const [, ...check] = serviceOf(compose, name).healthcheck.test
      const url = processes.get(name)?.url ?? ''
      const local = check.map((word) => word.replace('http://127.0.0.1:3000', url))
      expect(local.join(' ')).toContain(url)
      await promisify(execFile)('node', local.slice(1))
      const nowhere = local.map((word) => word.replace(url, 'http://127.0.0.1:1'))
      await expect(promisify(execFile)('node', nowhere.slice(1))).rejects.toThrow()
    }
  })

  it('makes a sale and sells it through both API nodes at once', async () => {
    await walk(processes.get('api-1')?.url ?? '', adminToken)
    const buyers = ['api-1', 'api-2', 'api-1', 'api-2']
    const paid = await Promise.all(buyers.map((name, index) => buyOne(call(name), index)))
    expect(paid.map(({ body }) => statusOf(body))).toEqual(buyers.map(() => 'paid'))
    for (const name of ['api-1', 'api-2']) {
      const { body } = await call(name)('GET', '/v1/products/1/stock')
      expect(body).toMatchObject({ available: 45, held: 0, sold: 5 })
      const audit = await call(name)('GET', '/v1/admin/audit', { token: adminToken })
      expect(audit.body).toMatchObject({ holds: true, unchecked: [] })
    }
  })

  it('stops in order when asked to', async () => {
    const codes = await Promise.all([...processes.values()].map((each) => each.stop()))
    expect(codes).toEqual([0, 0, 0])
  })
})

/** Lets a new shopper buy one unit of the product. */
async function buyOne(call: Call, index: number): Promise<Answer> {
  const shopper = { name: 'Bob', email: `bob-${index}@example.com` }
  const registered = await call('POST', '/v1/users', { body: shopper })
  const { token } = registered.body as unknown as { readonly token: string }
  const body = { flashSaleId: 1, productId: 1 }
  // A node learns of a sale made on another one within a quarter of a second.
  await until(
    async () => (await call('POST', '/v1/cart/items', { token, body })).status === 201,
    5_000,
    'a hold',
  )
  const checkout = await call('POST', '/v1/checkout', { token })
  const { invoice } = checkout.body as unknown as { readonly invoice: { readonly id: string } }
  const payment = { paymentMethod: 'pm_ok' }
  return call('POST', `/v1/invoices/${invoice.id}/pay`, { token, body: payment })
}

function statusOf(body: Body): string {
  return (
    (body as { readonly invoice?: { readonly status: string } }).invoice?.status ?? 'no invoice'
  )
}
