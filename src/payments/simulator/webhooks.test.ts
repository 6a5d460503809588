import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Service } from '../../lifecycle.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { until } from '../../../test/support/until.ts'
import { createSimulatedProvider, type SimulatedProvider } from './simulated-provider.ts'
import { createSimulatorSwitches, type SimulatorSwitches } from './switches.ts'
import { createSimulatorWebhooks } from './webhooks.ts'
import { isWebhookGenuine, signatureHeader, type WebhookEvent } from '../webhook.ts'

const secret = 'webhook-secret-of-the-tests'

let folder: TemporaryFolder
let clock: FakeClock
let provider: SimulatedProvider
let switches: SimulatorSwitches
let receiver: Server
let webhooks: Service
/** The received webhooks as `payment type genuine?` in the order of arrival. */
let heard: string[]
/** The status that the receiver answers. */
let status: number

beforeEach(async () => {
  folder = createTemporaryFolder()
  clock = createFakeClock()
  provider = createSimulatedProvider({
    path: join(folder.path, 'ledger.db'),
    clock,
    random: () => 0.5,
  })
  await provider.start()
  switches = createSimulatorSwitches()
  heard = []
  status = 200
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const signature = String(request.headers[signatureHeader])
      const genuine = isWebhookGenuine({ secrets: [secret], body, signature, now: clock.now() })
      const { paymentId, type } = JSON.parse(body.toString()) as WebhookEvent
      heard.push(`${paymentId} ${type} ${genuine ? 'genuine' : 'forged'}`)
      response.writeHead(genuine ? status : 400).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  webhooks = startWebhooks()
})

afterEach(async () => {
  await webhooks.stop()
  await provider.stop()
  receiver.closeAllConnections()
  receiver.close()
  folder.remove()
})

function startWebhooks(): Service {
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  const service = createSimulatorWebhooks({ provider, switches, clock, url, secret })
  void service.start()
  return service
}

async function authorize(...paymentIds: readonly string[]): Promise<void> {
  for (const paymentId of paymentIds) {
    const order = { paymentId, invoiceId: 'i', amountMinor: 1, currency: 'EUR', method: 'pm_ok' }
    await provider.authorize(order)
  }
}

/** Runs rounds until so many webhooks were received and none is left to send. */
async function untilHeard(count: number): Promise<void> {
  const isDone = async () => {
    clock.advance(100)
    const left = await provider.undeliveredEvents(1)
    return heard.length >= count && (left.length === 0 || status !== 200)
  }
  await until(isDone, 5_000, `${count} webhooks`)
}

const authorized = (paymentId: string): string => `${paymentId} payment.authorized genuine`

describe('webhooks of the simulator', () => {
  it('tell of everything that happened, once and in its order', async () => {
    await authorize('a', 'b')
    await provider.capture('a')
    await provider.void('b')
    await untilHeard(4)
    expect(heard).toEqual([
      authorized('a'),
      authorized('b'),
      'a payment.captured genuine',
      'b payment.voided genuine',
    ])
  })

  it('come again until they are accepted, also after a restart', async () => {
    status = 503
    await authorize('a', 'b')
    await untilHeard(2)
    expect(new Set(heard)).toEqual(new Set([authorized('a')]))
    await webhooks.stop()
    heard = []
    status = 200
    webhooks = startWebhooks()
    await untilHeard(2)
    expect(heard).toEqual([authorized('a'), authorized('b')])
  })

  it('come twice, reversed, and after forged ones, when switched so', async () => {
    switches.set({ webhookCopies: 2, webhookOrder: 'reversed', webhooksForged: true })
    await authorize('a', 'b')
    await untilHeard(6)
    const told = ['b', 'a'].flatMap((id) => [
      `${id} payment.captured forged`,
      authorized(id),
      authorized(id),
    ])
    expect(heard).toEqual(told)
  })

  it('come days late, signed when they are sent', async () => {
    switches.set({ webhookDelayMs: 3 * 86_400_000 })
    await authorize('a')
    clock.step(3 * 86_400_000 - 200)
    clock.advance(100)
    expect(heard).toEqual([])
    await untilHeard(1)
    expect(heard).toEqual([authorized('a')])
  })

  it.each([{ webhooksHeld: true }, { down: true }])(
    'wait with %o, and none is lost',
    async (held) => {
      switches.set(held)
      await authorize('a')
      for (let round = 0; round < 20; round += 1) clock.advance(100)
      switches.set({ webhooksHeld: false, down: false })
      await untilHeard(1)
      expect(heard).toEqual([authorized('a')])
    },
  )
})
