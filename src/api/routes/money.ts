import { z } from 'zod'
import type { RunAudit } from '../../audit/audit.ts'
import type { Clock } from '../../clock.ts'
import {
  closeAttention,
  listAttention,
  type CloseRefusal,
  type AttentionEntry,
} from '../../db/attention.ts'
import type { Database } from '../../db/database.ts'
import { isEventKnown, rememberEvent } from '../../db/webhook-events.ts'
import type { Metrics } from '../../metrics.ts'
import type { PaymentSettlement } from '../../payments/pay.ts'
import { ProviderUnavailableError } from '../../payments/provider.ts'
import { isWebhookGenuine, webhookEvent } from '../../payments/webhook.ts'
import { done, refused, type ActionAnswer, type OperatorActions } from './operator-actions.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'
import { attentionView } from './views.ts'

export interface MoneyRoutesOptions {
  readonly database: Database
  readonly operatorActions: OperatorActions
  readonly settlement: PaymentSettlement
  readonly audit: RunAudit
  readonly clock: Clock
  readonly metrics: Metrics
  readonly webhookSecrets: readonly string[]
}

/** Makes the routes about money: the provider's webhook, the audit and the attention list. */
export function moneyRoutes(options: MoneyRoutesOptions) {
  return [webhook(options), attention(options), close(options), audit(options)]
}

type WebhookResult = 'learned' | 'repeated' | 'unknown_payment'

function webhook({ database, settlement, clock, metrics, webhookSecrets }: MoneyRoutesOptions) {
  async function handleEvent({
    id,
    paymentId,
  }: z.infer<typeof webhookEvent>): Promise<WebhookResult> {
    if (await database.read(() => isEventKnown(id))) return 'repeated'
    const isOurs = await settlement.learn(paymentId)
    // The event is remembered only after its effect, so that the provider repeats one that failed.
    await database.transaction(() => rememberEvent(id, clock.now()))
    return isOurs ? 'learned' : 'unknown_payment'
  }

  return defineRoute({
    method: 'post',
    path: '/v1/webhooks/payments',
    access: 'anyone',
    tag: 'payment provider',
    summary: 'Tell that something happened to a payment',
    description:
      'The payment provider calls it. The event is only a hint: the state of the payment is asked for at the provider.',
    body: webhookEvent,
    signed: true,
    responses: {
      200: { description: 'Received', schema: z.object({ received: z.literal(true) }) },
    },
    problems: ['webhook_signature_invalid', 'provider_unavailable'],
    async handle({ body, signed: { bytes, signature } }) {
      const signedBody = { secrets: webhookSecrets, body: bytes, signature, now: clock.now() }
      if (!isWebhookGenuine(signedBody)) {
        metrics.paymentWebhooks.inc({ result: 'refused' })
        throw new ProblemError('webhook_signature_invalid')
      }
      metrics.paymentWebhooks.inc({ result: await orProviderUnavailable(handleEvent(body)) })
      return json(200, { received: true })
    },
  })
}

async function orProviderUnavailable<T>(result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (error) {
    if (error instanceof ProviderUnavailableError) throw new ProblemError('provider_unavailable')
    throw error
  }
}

function attention({ database }: MoneyRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/admin/attention',
    access: 'admin',
    tag: 'admin',
    summary: 'List payments that need a person',
    description:
      'Money that came and pays nothing here, oldest attempt first. A person decides what to do about it; the program gives no money back.',
    query: schemas.invoicesQuery,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.attentionEntry) } },
    async handle({ query: { limit, cursor } }) {
      const found = await database.read(() => listAttention({ after: cursor ?? '', limit }))
      const last = found.length === limit ? found.at(-1) : undefined
      return json(200, {
        items: found.map(attentionView),
        nextCursor: last?.paymentId ?? null,
      })
    },
  })
}

function close({ operatorActions, clock }: MoneyRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/attention/{id}/close',
    access: 'admin',
    tag: 'admin',
    summary: 'Close a payment that needed a person',
    description:
      'Takes a payment off the list with a note that says what was done about it. It moves no money.',
    params: schemas.uuidParams,
    body: schemas.closeAttention,
    idempotent: true,
    responses: { 200: { description: 'Off the list', schema: schemas.attentionEntry } },
    problems: ['not_found', 'attention_closed'],
    async handle(input) {
      const { id: paymentId } = input.params
      const wanted = { paymentId, note: input.body.note, now: clock.now() }
      const close = () => closeAttention(wanted)
      return (await operatorActions.perform(input, close, closeAnswer)).reply
    },
  })
}

const closeAnswer = (closed: AttentionEntry | CloseRefusal): ActionAnswer =>
  typeof closed === 'string' ? refused(closed) : done(json(200, attentionView(closed)))

function audit({ audit: runAudit }: MoneyRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/admin/audit',
    access: 'admin',
    tag: 'admin',
    summary: 'Check every invariant now',
    description:
      'Compares the stock, the ledger, the invoices and the books of the payment provider. It takes as long as there is history.',
    responses: { 200: { description: 'What holds', schema: schemas.audit } },
    async handle() {
      const { holds, checkedAt, invariants, unchecked } = await runAudit()
      return json(200, {
        holds,
        checkedAt: new Date(checkedAt).toISOString(),
        invariants,
        unchecked,
      })
    },
  })
}
