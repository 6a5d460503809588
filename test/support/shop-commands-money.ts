import fc from 'fast-check'
import { endPaymentThenPlace } from '../../src/db/payments/decline.ts'
import { dropLate, placeEnded, placeMoved } from '../../src/db/payments/late-money.ts'
import { beginPayment, type BeginResult } from '../../src/db/payments/begin-payment.ts'
import { giveUpPayment } from '../../src/db/payments/give-up-payment.ts'
import { markCaptured, settleAuthorized } from '../../src/db/payments/settle-authorized.ts'
import {
  chosen,
  command,
  index,
  isOwner,
  key,
  type Answers,
  type ComparedShop,
} from './shop-command.ts'
import type { ModelPayment } from './shop-model-rows.ts'

/** The payment methods of the model. The provider's answers may come in any order. */
const methods = fc.constantFrom('pm_ok', 'pm_push')

function begunOf(result: BeginResult): string {
  return result.kind === 'repeated' ? `repeated ${result.payment.status}` : result.kind
}

export const begin = fc
  .record({ user: index, invoice: index, isOwner, key, method: methods })
  .map((drawn) =>
    command('begin', drawn, async ({ fixture, model, users, newId }) => {
      const invoice = chosen(model.invoices, drawn.invoice)
      const stranger = chosen(users, drawn.user) ?? 0
      const attempt = {
        id: newId(),
        key: drawn.key,
        method: drawn.method,
        userId: drawn.isOwner ? (invoice?.userId ?? stranger) : stranger,
        invoiceId: invoice?.id ?? 'none',
      }
      const { id: paymentId, key: idempotencyKey, ...rest } = attempt
      const order = { paymentId, idempotencyKey, ...rest, now: model.now }
      return [begunOf(await fixture.run(beginPayment(order))), model.money.begin(attempt)]
    }),
  )

type Step = (payment: ModelPayment, shop: ComparedShop) => Promise<Answers>

/** Makes a command about one of the existing attempts. */
function step(name: string, apply: Step): fc.Arbitrary<ReturnType<typeof command>> {
  return fc.record({ payment: index }).map((drawn) =>
    command(name, drawn, async (shop) => {
      const payment = chosen(shop.model.payments, drawn.payment)
      return payment === undefined ? ['nothing', 'nothing'] : apply(payment, shop)
    }),
  )
}

export const authorised = step('authorised', async (payment, { fixture, model }) => {
  const real = await fixture.run(settleAuthorized(payment.id, model.now))
  return [real, model.money.authorized(payment)]
})

const endOf = (toCapture: string | undefined): string =>
  toCapture === undefined ? 'over' : 'capture'

export const declined = step('declined', async (payment, { fixture, model }) => {
  const end = { status: 'declined', code: 'card_declined' } as const
  const real = await fixture.run(endPaymentThenPlace(payment.id, end, model.now))
  return [endOf(real), model.money.end(payment, 'declined')]
})

export const voided = step('voided', async (payment, { fixture, model }) => {
  const end = { status: 'voided', code: null } as const
  const real = await fixture.run(endPaymentThenPlace(payment.id, end, model.now))
  return [endOf(real), model.money.end(payment, 'voided')]
})

export const givenUp = step('given up', async (payment, { fixture, model }) => {
  const real = await fixture.run(giveUpPayment(payment.id, model.now))
  return [real, model.money.giveUp(payment)]
})

const captured = step('captured', async (payment, { fixture, model }) => {
  await fixture.run(markCaptured(payment.id, model.now))
  model.money.captured(payment)
  return ['captured', 'captured']
})

export const cameLate = step('came late', async (payment, { fixture, model, newLateId }) => {
  const context = { now: model.now, newId: newLateId }
  const real = await fixture.run(placeEnded(payment.id, context))
  return [real, model.money.cameLate(payment)]
})

export const moved = step('moved', async (payment, { fixture, model, newLateId }) => {
  const context = { now: model.now, newId: newLateId }
  const real = await fixture.run(placeMoved(payment.id, context))
  return [real, model.money.moved(payment)]
})

const dropped = step('dropped', async (payment, { fixture, model }) => {
  await fixture.run(dropLate(payment.id, model.now))
  model.money.drop(payment)
  return ['dropped', 'dropped']
})

export const moneyCommands = [
  { weight: 8, arbitrary: begin },
  { weight: 3, arbitrary: authorised },
  { weight: 3, arbitrary: declined },
  { weight: 3, arbitrary: voided },
  { weight: 1, arbitrary: givenUp },
  { weight: 2, arbitrary: captured },
  { weight: 4, arbitrary: cameLate },
  { weight: 2, arbitrary: moved },
  { weight: 1, arbitrary: dropped },
]
