import type { ProviderEvent } from '../../src/payments/simulator/books.ts'
import type { SimulatedProvider } from '../../src/payments/simulator/simulated-provider.ts'
import { signatureHeader, signWebhook } from '../../src/payments/webhook.ts'
import { webhookSecret, type Cluster } from './cluster.ts'
import type { World } from './world.ts'

interface Ends {
  readonly provider: SimulatedProvider
  readonly cluster: Cluster
}

const eventsMax = 20
const path = '/v1/webhooks/payments'

/** Delivers the provider's events: some are lost, some come twice, some come with a forged one. */
export async function tellOfAll(world: World, { provider, cluster }: Ends): Promise<void> {
  for (const event of await provider.undeliveredEvents(eventsMax)) {
    if (world.hits('webhookForged')) await lie(world, cluster, event)
    if (!world.hits('webhookLost') && !(await tell(world, cluster, event))) return
    if (world.hits('webhookTwice')) await tell(world, cluster, event)
    await provider.markDelivered(event.sequence)
  }
}

async function tell(world: World, cluster: Cluster, event: ProviderEvent): Promise<boolean> {
  const status = await post(world, cluster, { event, secret: webhookSecret })
  return status >= 200 && status < 300
}

async function lie(world: World, cluster: Cluster, event: ProviderEvent): Promise<void> {
  const lied = { ...event, status: 'captured' } as const
  const status = await post(world, cluster, { event: lied, secret: 'not the secret' })
  if ([0, 400].includes(status)) return
  world.violate({ invariant: 'F16', what: `a forged webhook was told ${status}` })
}

interface Signed {
  readonly event: ProviderEvent
  readonly secret: string
}

async function post(world: World, cluster: Cluster, { event, secret }: Signed): Promise<number> {
  const { sequence, paymentId, status, at } = event
  const type = `payment.${status}`
  const createdAt = new Date(at).toISOString()
  const body = { id: `evt_${sequence}`, type, paymentId, createdAt }
  const signature = signWebhook(secret, JSON.stringify(body), world.clock.now())
  const headers = { 'content-type': 'application/json', [signatureHeader]: signature }
  const answer = await cluster.call({ method: 'POST', path, body, headers })
  world.trace.note(`webhook of ${paymentId} ${status}: ${answer.status}`)
  return answer.status
}
