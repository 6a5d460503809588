import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { until } from '../../../test/support/until.ts'
import { createHttpProvider } from './http-provider.ts'
import { testPaymentProvider } from '../provider.contract.ts'
import { ProviderUnavailableError, type PaymentOrder } from '../provider.ts'
import { createSimulatedProvider } from '../simulator/simulated-provider.ts'
import { createSimulatorServer } from '../simulator/server.ts'
import { createSimulatorSwitches } from '../simulator/switches.ts'

const clock = systemClock
let folder: TemporaryFolder
let closers: (() => Promise<unknown>)[]

beforeEach(() => {
  folder = createTemporaryFolder()
  closers = []
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
  folder.remove()
})

/** Starts the simulator's server in this process and an adapter that talks to it. */
async function openSimulator(timeoutMs = 2_000) {
  const path = join(folder.path, 'ledger.db')
  const simulated = createSimulatedProvider({
    path,
    clock,
    random: () => 0.5,
    slowMs: 20,
    silentMs: 200,
  })
  const switches = createSimulatorSwitches()
  const server = createSimulatorServer({ provider: simulated, switches, clock, port: 0 })
  await simulated.start()
  await server.start()
  closers.push(
    () => simulated.stop(),
    () => server.stop(),
  )
  const url = server.url()
  return { provider: createHttpProvider({ url, clock, timeoutMs }), simulated, switches, url }
}

/** Starts a server that answers every request with the same bytes, or never. */
async function openCanned(answer: string | undefined) {
  const server: Server = createServer((_request, response) => {
    if (answer !== undefined) response.socket?.end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return createHttpProvider({ url, clock, timeoutMs: 100 })
}

const order = (changes: Partial<PaymentOrder> = {}): PaymentOrder => ({
  paymentId: 'p1',
  invoiceId: 'i1',
  amountMinor: 500,
  currency: 'EUR',
  method: 'pm_ok',
  ...changes,
})

const http = (status: number, body: unknown): string => {
  const text = JSON.stringify(body)
  return `HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

testPaymentProvider('provider over HTTP', async () => ({
  provider: (await openSimulator()).provider,
  methods: { authorizes: 'pm_ok', declines: 'pm_declined' },
  close: () => Promise.resolve(),
}))

describe('the provider over HTTP', () => {
  it.each([
    ['pm_timeout_before', undefined],
    ['pm_timeout_after', 'authorized'],
    ['pm_answer_lost', 'authorized'],
  ])('gives no answer for %s, and %s is on record', async (method, status) => {
    const { provider } = await openSimulator(100)
    await expect(provider.authorize(order({ method }))).rejects.toThrow(ProviderUnavailableError)
    expect((await provider.find('p1'))?.status).toBe(status)
  })

  it('takes one of two answers to one question, and the second for no other', async () => {
    const { provider } = await openSimulator()
    const twice = provider.authorize(order({ method: 'pm_answers_twice' }))
    const declined = provider.authorize(order({ paymentId: 'p2', method: 'pm_declined' }))
    expect(await twice).toEqual({ kind: 'authorized' })
    expect(await declined).toEqual({ kind: 'declined', code: 'card_declined' })
    expect(await provider.authorize(order({ paymentId: 'p3', method: 'pm_declined' }))).toEqual({
      kind: 'declined',
      code: 'card_declined',
    })
  })

  it('confirms a late capture only when the money has moved', async () => {
    const { provider } = await openSimulator()
    await provider.authorize(order({ method: 'pm_capture_late' }))
    await expect(provider.capture('p1')).rejects.toThrow(ProviderUnavailableError)
    expect((await provider.find('p1'))?.status).toBe('authorized')
    const isCaptured = (): Promise<boolean> =>
      provider.capture('p1').then(
        () => true,
        () => false,
      )
    await until(isCaptured, 2_000, 'the capture')
    expect((await provider.find('p1'))?.status).toBe('captured')
  })

  it('says pending for a push payment, and captured when its money came after the void', async () => {
    const { provider, simulated } = await openSimulator()
    expect(await provider.authorize(order({ method: 'pm_push' }))).toEqual({ kind: 'pending' })
    await provider.void('p1')
    await simulated.arrive('p1')
    expect((await provider.find('p1'))?.status).toBe('captured')
  })

  it('has no answer while the provider is down, and one afterwards', async () => {
    const { provider, switches } = await openSimulator()
    switches.set({ down: true })
    await expect(provider.find('p1')).rejects.toThrow(ProviderUnavailableError)
    await expect(provider.readLedger()).rejects.toThrow(ProviderUnavailableError)
    switches.set({ down: false })
    expect(await provider.find('p1')).toBeUndefined()
  })

  it('reads the ledger of the other side', async () => {
    const { provider } = await openSimulator()
    await provider.authorize(order())
    await provider.capture('p1')
    const page = await provider.readLedger()
    expect(page).toMatchObject({ captured: [{ paymentId: 'p1', amountMinor: 500 }] })
    expect([page.next, page.voidsOfCaptured]).toEqual([undefined, 0])
    expect((await provider.readLedger('p1')).captured).toEqual([])
  })

  it('sends an id that is not fit for a path as it is', async () => {
    const { provider } = await openSimulator()
    const paymentId = 'a/b ?#%'
    await provider.authorize(order({ paymentId }))
    expect(await provider.find(paymentId)).toMatchObject({ paymentId, status: 'authorized' })
  })

  it.each([
    ['nothing at all', undefined],
    ['500', http(500, {})],
    ['503', http(503, {})],
    ['an empty object', http(200, {})],
    ['another payment', http(200, { paymentId: 'p2', authorization: { kind: 'authorized' } })],
    ['an unknown kind', http(200, { paymentId: 'p1', authorization: { kind: 'maybe' } })],
    ['half an answer', http(200, {}).replace('content-length: 2', 'content-length: 20')],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ])('takes %s for no answer', async (_title, answer) => {
    const provider = await openCanned(answer)
    await expect(provider.authorize(order())).rejects.toThrow(ProviderUnavailableError)
  })

  it.each([204, 301, 400, 401, 403, 409, 422, 429])(
    'takes %i for no answer to any question: what was done is unknown',
    async (status) => {
      const provider = await openCanned(http(status, { error: 'no' }))
      const { authorize, capture, find, readLedger } = provider
      const questions = [authorize(order()), capture('p1'), find('p1'), readLedger()]
      for (const result of await Promise.allSettled(questions)) {
        expect(result).toMatchObject({ reason: expect.any(ProviderUnavailableError) as Error })
      }
    },
  )

  it('takes 404 for no answer, except about a payment', async () => {
    const provider = await openCanned(http(404, {}))
    expect(await provider.find('p1')).toBeUndefined()
    await expect(provider.void('p1')).rejects.toThrow(ProviderUnavailableError)
    await expect(provider.readLedger()).rejects.toThrow(ProviderUnavailableError)
  })

  it.each([
    ['a refusal', http(402, 'pm_secret')],
    ['no JSON', http(200, 0).replace('1\r\n\r\n0', '9\r\n\r\npm_secret')],
    ['another shape', http(200, { paymentId: 'p1', authorization: { kind: 'pm_secret' } })],
  ])('repeats nothing of the answer in its error: %s', async (_title, answer) => {
    const provider = await openCanned(answer)
    const error = (await provider.authorize(order()).catch((each: unknown) => each)) as Error
    expect(error).toBeInstanceOf(ProviderUnavailableError)
    expect(inspect(error, { depth: 9 })).not.toContain('pm_secret')
  })

  it('has no answer where nobody listens', async () => {
    const provider = createHttpProvider({ url: 'http://127.0.0.1:9', clock })
    await expect(provider.find('p1')).rejects.toThrow(ProviderUnavailableError)
  })
})

describe('the simulator over HTTP', () => {
  it.each([
    ['GET', '/', 404],
    ['GET', '/payments/x/capture', 404],
    ['POST', '/payments/x/capture', 422],
    ['POST', '/payments/x/authorize', 422],
    ['PATCH', '/simulator', 422],
    ['POST', '/simulator/x/arrive', 422],
  ])('answers a question it cannot do anything with: %s %s', async (method, path, status) => {
    const { url } = await openSimulator()
    const body = method === 'GET' ? undefined : '{"webhookCopies": 0}'
    const response = await fetch(`${url}${path}`, { method, ...(body !== undefined && { body }) })
    expect(response.status).toBe(status)
  })

  it('turns its switches and shows them', async () => {
    const { url } = await openSimulator()
    const body = '{"webhookCopies": 3, "webhookOrder": "reversed"}'
    await fetch(`${url}/simulator`, { method: 'PATCH', body })
    expect(await (await fetch(`${url}/simulator`)).json()).toMatchObject({
      down: false,
      webhookCopies: 3,
      webhookOrder: 'reversed',
    })
  })
})
