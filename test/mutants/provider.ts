import type { Mutant } from './mutant.ts'

const steps = { file: 'src/payments/money-steps.ts', suite: 'src/payments/pay.test.ts' }
const settlement = { file: 'src/payments/pay.ts', suite: 'src/payments/late-money.test.ts' }
const webhook = { file: 'src/payments/webhook.ts', suite: 'src/payments/webhook.test.ts' }
const routes = { file: 'src/api/routes/money.ts', suite: 'src/api/routes/money.test.ts' }
const resolver = 'src/cron/resolve-payments.test.ts'

/** Mutants of the order of the steps with the provider, and of the checks of its answers. */
export const providerMutants: readonly Mutant[] = [
  {
    id: 'capture-after-paid',
    breaks: 'I12, F12: the money moves before the invoice is paid',
    ...steps,
    find: `    const next = await database.transaction(() => settleAuthorized(paymentId, clock.now()))
    switch`,
    replace: `    await provider.capture(paymentId)
    const next = await database.transaction(() => settleAuthorized(paymentId, clock.now()))
    switch`,
  },
  {
    id: 'captured-when-confirmed',
    breaks: 'I12: our books say captured though the provider did not answer',
    ...steps,
    find: `      logger.warn({ err: error, paymentId }, 'capture is not confirmed yet')
      return`,
    replace: `      logger.warn({ err: error, paymentId }, 'capture is not confirmed yet')`,
  },
  {
    id: 'capture-is-taken-up',
    breaks: 'I12, F16: a capture that was not confirmed is forgotten',
    file: 'src/db/payments/unsettled-payments.ts',
    suite: resolver,
    find: `where status in ('authorizing', 'authorized', 'late') and updated_at <= ?`,
    replace: `where status in ('authorizing', 'late') and updated_at <= ?`,
  },
  {
    id: 'lost-answer-is-taken-up',
    breaks: 'I8, F16: an attempt whose process is gone stays open for ever',
    file: 'src/db/payments/unsettled-payments.ts',
    suite: resolver,
    find: `where status in ('authorizing', 'authorized', 'late') and updated_at <= ?`,
    replace: `where status in ('authorized', 'late') and updated_at <= ?`,
  },
  {
    id: 'given-up-before-voided',
    breaks: 'I13: what paid meanwhile is voided',
    ...steps,
    suite: resolver,
    find: 'if (givenUp) await voidPayment(paymentId)',
    replace: 'await voidPayment(paymentId)',
  },
  {
    id: 'voided-after-given-up',
    breaks: 'I13: an authorisation that arrives between the void and our own mark pays',
    ...steps,
    suite: resolver,
    find: `    const givenUp = await database.transaction(() => giveUpPayment(paymentId, clock.now()))
    if (givenUp) await voidPayment(paymentId)`,
    replace: `    await voidPayment(paymentId)
    await database.transaction(() => giveUpPayment(paymentId, clock.now()))`,
  },
  {
    id: 'void-is-confirmed',
    breaks: 'F16: a unit goes back though the void was never confirmed',
    ...steps,
    suite: resolver,
    find: `      if (!(error instanceof AlreadyCapturedError)) throw error
      // The push payment arrived before the void. Its money is there and the hold still exists.
      return place(paymentId, placeMoved)`,
    replace: `      if (error instanceof AlreadyCapturedError) return place(paymentId, placeMoved)`,
  },
  {
    id: 'void-at-all',
    breaks: 'I12, F16: an attempt ends here, and its authorisation may still come there',
    ...steps,
    suite: resolver,
    find: 'await provider.void(paymentId)',
    replace: '',
  },
  {
    id: 'void-of-captured',
    breaks: 'I12, I13: money that moved while it was given up pays nothing',
    ...steps,
    suite: settlement.suite,
    find: 'return place(paymentId, placeMoved)',
    replace: 'return',
  },
  {
    id: 'pending-until-due',
    breaks: 'F16: a push payment is given up while its invoice has time',
    ...settlement,
    find: `if (known?.status === 'pending') return payment.dueAt <= now`,
    replace: `if (known?.status === 'pending') return now > 0`,
  },
  {
    id: 'give-up-what-the-provider-does-not-know',
    breaks: 'F16: an attempt the provider has decided is given up',
    ...settlement,
    suite: resolver,
    find: `return known === undefined || known.status === 'voided'`,
    replace: 'return now > 0',
    also: [
      {
        file: 'src/db/payments/give-up-payment.ts',
        find: `set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ? and status = 'authorizing'`,
        replace: `set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ?`,
      },
    ],
    kept: 'Giving up asks for an open attempt once more, for what was settled in between.',
  },
  {
    id: 'late-money-is-told-apart',
    breaks: 'I12: money set aside for an attempt that has ended is given back by a machine',
    ...settlement,
    suite: 'src/payments/late-money.test.ts',
    find: 'hasEnded(payment) ? steps.authorizedLate(payment.id) : steps.authorized(payment.id)',
    replace: 'steps.authorized(payment.id)',
  },
  {
    id: 'old-answer-is-no-late-money',
    breaks: 'I12: an answer from before the void pays with money that is gone',
    ...settlement,
    find: 'hasEnded(payment) ? steps.authorizedLate(payment.id) : steps.authorized(payment.id)',
    replace: 'steps.authorizedLate(payment.id)',
  },
  {
    id: 'same-money',
    breaks: 'I16: an invoice is paid with another amount',
    ...settlement,
    find: 'if (known !== undefined) assertSameMoney(payment, known)',
    replace: '',
  },
  {
    id: 'webhook-signature',
    breaks: 'a forged webhook is followed',
    ...webhook,
    find: 'digests.some((given) => timingSafeEqual(expected, given))',
    replace: 'digests.some((given) => expected.length === given.length)',
  },
  {
    id: 'webhook-tolerance',
    breaks: 'a copy of a webhook is good for ever',
    ...webhook,
    find: 'if (!isFresh || digests.length === 0) return false',
    replace: '',
  },
  {
    id: 'webhook-time-is-signed',
    breaks: 'a copy of a webhook gets a new time',
    ...webhook,
    find: 'update(`${seconds}.`)',
    replace: 'update(`${typeof seconds}.`)',
  },
  {
    id: 'webhook-is-checked',
    breaks: 'anybody may send webhooks',
    ...routes,
    find: 'if (!isWebhookGenuine(signedBody)) {',
    replace: `if (signedBody.secrets.length === 0) {`,
  },
  {
    id: 'webhook-replay',
    breaks: 'a replayed webhook is followed again',
    ...routes,
    find: `if (await database.read(() => isEventKnown(id))) return 'repeated'`,
    replace: '',
  },
  {
    id: 'webhook-is-remembered-last',
    breaks: 'F16: a webhook that could not be followed up is forgotten',
    ...routes,
    suite: 'src/api/routes/webhook.test.ts',
    find: `    const isOurs = await settlement.learn(paymentId)
    // The event is remembered only after its effect, so that the provider repeats one that failed.
    await database.transaction(() => rememberEvent(id, clock.now()))`,
    replace: `    await database.transaction(() => rememberEvent(id, clock.now()))
    const isOurs = await settlement.learn(paymentId)`,
  },
  {
    id: 'webhook-is-only-a-reason-to-ask',
    breaks: 'I12: what a webhook says is believed',
    ...settlement,
    suite: routes.suite,
    find: 'await apply(attempt.payment, await provider.find(paymentId))',
    replace: `await apply(attempt.payment, {
      ...(await provider.find(paymentId))!,
      status: 'captured',
    })`,
  },
]
