import type { Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { ProviderEvent } from './books.ts'
import type { SimulatedProvider } from './simulated-provider.ts'
import type { SimulatorSwitches } from './switches.ts'
import { signatureHeader, signWebhook, type WebhookEvent } from '../webhook.ts'

export interface SimulatorWebhooksOptions {
  readonly provider: SimulatedProvider
  readonly switches: SimulatorSwitches
  readonly clock: Clock
  /** The URL that receives the webhooks. */
  readonly url: string
  readonly secret: string
}

const everyMs = 100
const batchSizeMax = 50
const timeoutMs = 5_000

/**
 * Delivers every event of the ledger until it is answered with 2xx, in batches and in order unless
 * a switch changes that. Its progress is on disk, so that a restart loses no event.
 */
export function createSimulatorWebhooks(options: SimulatorWebhooksOptions): Service {
  const { clock } = options
  let running: Promise<void> | undefined
  let cancel = (): void => undefined

  function runUnlessRunning(): void {
    running ??= deliverBatch(options)
      .catch(() => {
        // The receiver did not accept it, or the ledger is busy, so the same batch is sent again.
      })
      .finally(() => {
        running = undefined
      })
  }

  return {
    name: 'payment simulator webhooks',
    start() {
      cancel = clock.every(everyMs, runUnlessRunning)
      return Promise.resolve()
    },
    async stop() {
      cancel()
      await running
    },
  }
}

async function deliverBatch(options: SimulatorWebhooksOptions): Promise<void> {
  const { provider, switches, clock } = options
  const { down, webhooksHeld, webhookDelayMs, webhookOrder } = switches.now()
  if (down || webhooksHeld) return
  const events = await provider.undeliveredEvents(batchSizeMax)
  const due = events.filter(({ at }) => at + webhookDelayMs <= clock.now())
  const ordered = webhookOrder === 'reversed' ? due.toReversed() : due
  for (const event of ordered) await deliver(options, event)
  const last = due.at(-1)
  if (last !== undefined) await provider.markDelivered(last.sequence)
}

async function deliver(options: SimulatorWebhooksOptions, event: ProviderEvent): Promise<void> {
  const { webhookCopies, webhooksForged } = options.switches.now()
  const { sequence, paymentId, status, at } = event
  const createdAt = new Date(at).toISOString()
  const told = {
    id: `evt_${sequence}_${paymentId}`,
    type: `payment.${status}`,
    paymentId,
    createdAt,
  }
  if (webhooksForged) {
    const lie = { ...told, id: `${told.id}_forged`, type: 'payment.captured' }
    await post({ ...options, secret: 'not the secret' }, lie)
  }
  for (let copy = 0; copy < webhookCopies; copy += 1) {
    const status = await post(options, told)
    if (status < 200 || status > 299) throw new Error(`webhook answered with ${status}`)
  }
}

async function post(
  { url, secret, clock }: SimulatorWebhooksOptions,
  event: WebhookEvent,
): Promise<number> {
  const body = JSON.stringify(event)
  const headers = {
    'content-type': 'application/json',
    [signatureHeader]: signWebhook(secret, body, clock.now()),
  }
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await fetch(url, { method: 'POST', headers, body, signal })
  await response.arrayBuffer()
  return response.status
}
