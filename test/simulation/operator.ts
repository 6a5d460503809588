import { pick } from '../support/random.ts'
import type { HttpAnswer, HttpCall } from './http-entry.ts'
import { adminToken, type Cluster } from './cluster.ts'
import type { ProductPlan } from './plan.ts'
import type { World } from './world.ts'

/**
 * The operator: creates the sale, then adjusts stock, pauses, resumes and cancels while it runs.
 */
export interface Operator {
  readonly sale: Sale
  /** Returns the time when the sale was first cancelled, simulated epoch ms. */
  cancelledAt(): number | undefined
  work(mayContinue: () => boolean): Promise<void>
  adjust(productId: number, adjustBy: number): Promise<HttpAnswer>
  resume(): Promise<HttpAnswer>
}

export interface Sale {
  readonly flashSaleId: number
  readonly productIds: readonly number[]
  readonly shoppers: readonly { readonly id: number; readonly token: string }[]
}

/** Additional shoppers for the last sale at the end of the run. */
const sparesMax = 2
/** The sale outlasts the longest run. */
const saleMs = 3_600_000

export async function openShop(world: World, cluster: Cluster): Promise<Operator> {
  const { plan, clock, random } = world
  let cancelledAt: number | undefined

  async function ask(method: HttpCall['method'], path: string, body?: unknown) {
    const headers = {
      authorization: `Bearer ${adminToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    world.trace.note(`operator ${method} ${path} ${JSON.stringify(body ?? {})}`)
    const answer = await cluster.call({ method, path, body, headers })
    world.trace.note(`operator ${method} ${path}: ${answer.status}`)
    return answer
  }

  async function make<T>(path: string, body: unknown): Promise<T> {
    const answer = await ask('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer)}`)
    return answer.body as T
  }

  async function offer(flashSaleId: number, product: ProductPlan): Promise<number> {
    const { priceMinor, stock, purchaseLimit } = product
    const made = { name: 'Lamp', priceMinor, stock, currency: 'EUR' }
    const { id: productId } = await make<{ id: number }>('/v1/admin/products', made)
    const limit = purchaseLimit === undefined ? {} : { purchaseLimit }
    await make(`/v1/admin/flash-sales/${flashSaleId}/products`, { productId, ...limit })
    return productId
  }

  const startsAt = new Date(clock.now()).toISOString()
  const endsAt = new Date(clock.now() + saleMs).toISOString()
  const sale = { name: 'Simulation', startsAt, endsAt }
  const { id: flashSaleId } = await make<{ id: number }>('/v1/admin/flash-sales', sale)
  const productIds: number[] = []
  for (const product of plan.products) productIds.push(await offer(flashSaleId, product))
  const wanted = { count: plan.shoppers + sparesMax }
  const { users } = await make<{ users: Sale['shoppers'] }>('/v1/admin/users/batch', wanted)

  const adjust = (productId: number, adjustBy: number): Promise<HttpAnswer> =>
    ask('PATCH', `/v1/admin/products/${productId}/stock`, { adjustBy, reason: 'simulation' })
  const change = (verb: string): Promise<HttpAnswer> =>
    ask('POST', `/v1/admin/flash-sales/${flashSaleId}/${verb}`)

  async function workOnce(): Promise<void> {
    const drawn = random()
    const productId = productIds[Math.floor(random() * productIds.length)] ?? 0
    if (drawn < 0.6) await adjust(productId, pick(random, [-2, -1, 1, 2, 3]))
    else if (drawn < 0.75) await change('pause')
    else if (drawn < 0.95) await change('resume')
    else if (random() < 0.6) {
      cancelledAt ??= clock.now()
      await change('cancel')
    }
  }

  return {
    sale: { flashSaleId, productIds, shoppers: users },
    cancelledAt: () => cancelledAt,
    async work(mayContinue) {
      while (mayContinue()) {
        await new Promise<void>((resolve) => {
          world.outside.clock.after(500 + random() * 4_000, resolve)
        })
        if (mayContinue()) await workOnce()
      }
    },
    adjust,
    resume: () => change('resume'),
  }
}
