import { pick } from '../support/random.ts'
import { bodyOf, type Told } from './history.ts'
import type { Shopper } from './shopper.ts'

/**
 * One shopper's context. Each shops again and again, with changing behaviour, until the storm is
 * over.
 */
export interface Errand {
  readonly shopper: Shopper
  readonly random: () => number
  readonly productIds: readonly number[]
  /** The ids of all shoppers' invoices, for the persona that tries to read another's. */
  readonly invoiceIds: Set<string>
  mayContinue(): boolean
}

type Persona = (errand: Errand) => Promise<void>

const personas: readonly [Persona, ...Persona[]] = [
  async function buysPlainly(errand) {
    if (await fill(errand)) await buy(errand, ['pm_ok', 'pm_answers_twice', 'pm_slow'])
  },
  async function clicksTwice(errand) {
    const { shopper } = errand
    const wish = draw(errand)
    const key = shopper.newKey()
    await Promise.all([
      shopper.add(wish.productId, wish.quantity, key),
      shopper.add(wish.productId, wish.quantity, key),
    ])
    const checkoutKey = shopper.newKey()
    const [first] = await Promise.all([
      shopper.checkout(checkoutKey),
      shopper.checkout(checkoutKey),
    ])
    const invoiceId = note(errand, first)
    if (invoiceId === undefined) return
    const payKey = shopper.newKey()
    await Promise.all([
      shopper.pay(invoiceId, 'pm_ok', payKey),
      shopper.pay(invoiceId, 'pm_ok', payKey),
    ])
  },
  async function hasTwoTabs(errand) {
    const { shopper } = errand
    if (!(await fill(errand))) return
    const tabs = await Promise.all([shopper.checkout(), shopper.checkout(shopper.newKey())])
    for (const tab of tabs) {
      const invoiceId = note(errand, tab)
      if (invoiceId === undefined) continue
      const methods = ['pm_ok', 'pm_timeout_after', 'pm_answer_lost'] as const
      await Promise.all([
        shopper.pay(invoiceId, pick(errand.random, methods), shopper.newKey()),
        shopper.pay(invoiceId, pick(errand.random, methods), shopper.newKey()),
        ...(errand.random() < 0.5 ? [shopper.cancel(invoiceId)] : []),
      ])
    }
  },
  async function leaves(errand) {
    const { shopper, random } = errand
    const isFilled = (await fill(errand)) && random() < 0.7
    const invoiceId = isFilled ? note(errand, await shopper.checkout()) : undefined
    await shopper.wait(random() * 8_000)
    // The shopper comes back, perhaps after the invoice has expired.
    if (invoiceId !== undefined && random() < 0.5) await shopper.pay(invoiceId, 'pm_ok')
  },
  async function isDeclinedFirst(errand) {
    if (await fill(errand)) await buy(errand, ['pm_declined', 'pm_ok', 'pm_insufficient_funds'])
  },
  async function paysByPush(errand) {
    if (await fill(errand)) await buy(errand, ['pm_push', 'pm_push', 'pm_ok'])
  },
  async function paysUnluckily(errand) {
    const methods = ['pm_timeout_before', 'pm_timeout_after', 'pm_answer_lost'] as const
    const late = ['pm_capture_late', 'pm_capture_answer_lost', ...methods] as const
    if (await fill(errand)) await buy(errand, late)
  },
  async function changesTheirMind(errand) {
    const { shopper, random } = errand
    if (!(await fill(errand))) return
    const { items = [] } = bodyOf((await shopper.look()).answer)
    const [item] = items
    if (item !== undefined && random() < 0.5) {
      await shopper.remove(item.id)
      await shopper.remove(item.id)
    } else if (random() < 0.5) await shopper.clear()
    if (!(await fill(errand))) return
    const invoiceId = note(errand, await shopper.checkout())
    if (invoiceId !== undefined) await shopper.cancel(invoiceId)
  },
  async function misusesKeysAndIds(errand) {
    const { shopper, productIds, invoiceIds, random } = errand
    const key = shopper.newKey()
    const [productId = 0] = productIds
    await shopper.add(productId, 1, key)
    await shopper.add(productId, 2, key)
    const others = [...invoiceIds]
    const invoiceId = others[Math.floor(random() * others.length)]
    if (invoiceId !== undefined) await shopper.invoice(invoiceId)
  },
]

/** Shops until the storm is over, with another persona each time. */
export async function shop(errand: Errand): Promise<void> {
  const { shopper, random } = errand
  await shopper.wait(random() * 500)
  while (errand.mayContinue()) {
    await pick(random, personas)(errand)
    await shopper.wait(random() ** 3 * 6_000)
  }
}

function draw({ random, productIds }: Errand) {
  const productId = productIds[Math.floor(random() * productIds.length)] ?? 0
  return { productId, quantity: random() < 0.7 ? 1 : 2 }
}

const triesMax = 4

/**
 * Adds to the cart until an answer is final, or four tries are over. Returns whether there is a
 * hold.
 */
async function fill(errand: Errand): Promise<boolean> {
  const { shopper, random } = errand
  const { productId, quantity } = draw(errand)
  const key = random() < 0.6 ? shopper.newKey() : undefined
  for (let count = 0; count < triesMax && errand.mayContinue(); count += 1) {
    const { answer } = await shopper.add(productId, quantity, key)
    if (answer.status === 201) return true
    if (answer.status === 202 && random() < 0.7) return waitFor(errand, statusIdOf(answer.body))
    if (answer.status !== 0 && answer.status < 500 && random() < 0.8) return false
    await shopper.wait(random() * 1_500)
  }
  return false
}

const statusIdOf = (body: unknown): string =>
  (body as { readonly statusUrl: string }).statusUrl.split('/').at(-1) ?? ''

async function waitFor({ shopper, random }: Errand, requestId: string): Promise<boolean> {
  for (let count = 0; count < triesMax; count += 1) {
    const { answer } = await shopper.ask(requestId)
    const { status } = bodyOf(answer)
    if (status === 'held') return true
    if (status === 'refused') return false
    await shopper.wait(500 + random() * 2_000)
  }
  return false
}

async function buy(errand: Errand, methods: readonly [string, ...string[]]): Promise<void> {
  const { shopper, random } = errand
  const key = random() < 0.5 ? shopper.newKey() : undefined
  let told = await shopper.checkout(key)
  if (told.answer.status === 0 && key !== undefined) told = await shopper.checkout(key)
  const invoiceId = note(errand, told)
  if (invoiceId === undefined) return
  for (let count = 0; count < triesMax && errand.mayContinue(); count += 1) {
    await shopper.wait(random() * 1_500)
    const payKey = random() < 0.7 ? shopper.newKey() : undefined
    const method = pick(random, methods)
    const { answer } = await shopper.pay(invoiceId, method, payKey)
    if (answer.status === 200 || answer.status === 409) break
    // Without an answer the shopper repeats the request with the same key.
    if (answer.status === 0 && payKey !== undefined) await shopper.pay(invoiceId, method, payKey)
  }
  await shopper.invoice(invoiceId)
}

/** Returns the id of the invoice in this answer and adds it to the ids that all shoppers know. */
function note({ invoiceIds }: Errand, { answer }: Told): string | undefined {
  const { invoice } = bodyOf(answer)
  if (invoice !== undefined) invoiceIds.add(invoice.id)
  return invoice?.id
}
