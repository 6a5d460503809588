import type { Mutant } from './mutant.ts'

const consumer = {
  file: 'src/consumers/add-to-cart.ts',
  suite: 'src/consumers/add-to-cart.test.ts',
}
const teller = { file: 'src/consumers/tell-outcomes.ts', suite: consumer.suite }
const group = { file: 'src/db/sqlite/group-commit.ts', suite: 'src/db/sqlite/group-commit.test.ts' }
const sqlite = {
  file: 'src/db/sqlite/sqlite-database.ts',
  suite: 'src/db/sqlite/sqlite-database.test.ts',
}
const messages = { file: 'src/messaging/envelope.ts', suite: 'src/messaging/messages.test.ts' }

/** Mutants of the order commit, tell, finish, and of the checks of a message. */
export const deliveryMutants: readonly Mutant[] = [
  {
    id: 'finish-after-publish',
    breaks: 'I5, F2: the message is gone when the outcome could not be told',
    ...teller,
    find: `      await publish(topic, codec.seal('add_to_cart_result', topic, result), some)
      for (const { message } of some) message.finish()`,
    replace: `      for (const { message } of some) message.finish()
      await publish(topic, codec.seal('add_to_cart_result', topic, result), some)`,
  },
  {
    id: 'no-late-reply-beyond-the-room',
    breaks: 'late replies grow without bound while the database is away',
    file: 'src/api/add-to-cart/handler.ts',
    suite: 'src/api/add-to-cart/handler.test.ts',
    find: 'if (!lateReplies.hasRoom(pendingReplies.size()))',
    replace: 'if (!lateReplies.hasRoom(-Infinity) && pendingReplies.size() < 0)',
  },
  {
    id: 'no-hold-is-told-after-its-deadline',
    breaks: 'F28: a hold is told that is over already',
    file: 'src/api/add-to-cart/handler.ts',
    suite: 'src/api/add-to-cart/handler.test.ts',
    find: '!outcome.replayed && outcome.reservation.expiresAt <= now',
    replace: '!outcome.replayed && outcome.reservation.expiresAt < 0 * now',
  },
  {
    id: 'routing-is-decided-once',
    breaks: 'two nodes decide the routing of one sale, and one publishes where nobody consumes',
    file: 'src/db/current-sales.ts',
    suite: 'src/db/current-sales.test.ts',
    find: 'set topic_key = ?, routing = ? where id = ? and routing is null',
    replace: 'set topic_key = ?, routing = ? where id = ?',
  },
  {
    id: 'untold-is-requeued',
    breaks: 'I5: an outcome nobody could be told is not told again',
    ...teller,
    find: 'for (const { message } of some) message.requeue(requeueDelayMs)',
    replace: 'for (const { message } of some) message.finish()',
  },
  {
    id: 'untold-is-kept-in-hand',
    breaks: 'F5: who is sold out hears too_late because the broker was away for a moment',
    ...teller,
    find: 'error instanceof BrokerUnavailableError && !stopped',
    replace: 'false',
  },
  {
    id: 'undecided-is-not-finished',
    breaks: 'F11, F20: a request the database could not be asked about is dropped',
    ...consumer,
    find: `logger.warn({ err: error, batchSize: batch.length }, 'batch given back undecided')`,
    replace: 'for (const { message } of batch) message.finish()',
  },
  {
    id: 'told-after-commit',
    breaks:
      'I5, F1, F12: a transaction is told to have happened before its commit, which then fails',
    ...group,
    find: `      return () => {
        resolve(result)
      }`,
    replace: `      resolve(result)
      return () => undefined`,
  },
  {
    id: 'failed-transaction-is-undone',
    breaks: 'I2, I3: half a transaction is committed with the others of its group',
    ...group,
    find: 'connection.undo()',
    replace: 'connection.release()',
  },
  {
    id: 'synchronous-full',
    breaks: 'I8: a power cut loses what was acknowledged',
    ...sqlite,
    find: `connection.pragma('synchronous = FULL')`,
    replace: `connection.pragma('synchronous = NORMAL')`,
  },
  {
    id: 'synchronous-full-and-read-back',
    breaks: 'I8: the same without the look whether the pragma was taken',
    ...sqlite,
    find: `connection.pragma('synchronous = FULL')`,
    replace: `connection.pragma('synchronous = NORMAL')`,
    also: [
      {
        file: 'src/db/sqlite/sqlite-database.ts',
        find: 'if (synchronous !== synchronousFull) throw new Error(`synchronous is ${String(synchronous)}`)',
        replace: 'void synchronous',
      },
    ],
  },
  {
    id: 'migrate-under-the-lock',
    breaks: 'F21: two starters migrate one after the other',
    file: 'src/db/migrate.ts',
    suite: 'src/db/migrate.test.ts',
    find: 'const pending = pendingOf(migrations, yield* readApplied())',
    replace: 'const pending = migrations',
    also: [
      {
        file: 'src/db/migrate.ts',
        find: 'applyPending(migrations, now))',
        replace: 'applyPending(pendingOf(migrations, status.applied), now))',
      },
    ],
  },
  {
    id: 'foreign-keys',
    breaks: 'I11: a line points at nothing',
    ...sqlite,
    find: `connection.pragma('foreign_keys = ON')`,
    replace: `connection.pragma('foreign_keys = OFF')`,
  },
  {
    id: 'message-signature',
    breaks: 'I19: a forged message is believed',
    ...messages,
    find: 'if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) {',
    replace: 'if (expected.length !== actual.length) {',
  },
  {
    id: 'message-bound-to-topic',
    breaks: 'I19: a message is believed on another topic',
    ...messages,
    find: 'update(`${topic}\\n`).update(json)',
    replace: 'update(`${typeof topic}\\n`).update(json)',
  },
  {
    id: 'message-bound-to-type',
    breaks: 'I19: a message is played back as another kind',
    ...messages,
    find: '`message:${type}`',
    replace: '`message:${typeof type}`',
  },
  {
    id: 'message-version',
    breaks: 'I19: a message of a version to come is read as one of ours',
    ...messages,
    find: `if (envelope.version !== version) return unreadable('unknown_version')`,
    replace: '',
  },
  {
    id: 'message-shape',
    breaks: 'I19: a signed message with content that makes no sense is believed',
    ...messages,
    find: `if (!parsed.success) return unreadable('bad_content')`,
    replace: 'if (!parsed.success) return { readable: true, message: content as MessageBodies[T] }',
  },
  {
    id: 'unreadable-is-parked',
    breaks: 'I19: what nobody can read is neither counted nor kept',
    ...consumer,
    find: `if (!opened.readable) park('add_to_cart', opened.reason, message.body)`,
    replace: '',
  },
  {
    id: 'reply-by-request-id',
    breaks: 'I18: an outcome reaches somebody else',
    file: 'src/api/add-to-cart/pending-replies.ts',
    suite: 'src/api/add-to-cart/pending-replies.test.ts',
    find: 'const found = waiting.get(requestId)\n      if (found === undefined) return false',
    replace: `const found = waiting.get(requestId) ?? [...waiting.values()][0]
      if (found === undefined) return false`,
  },
  {
    id: 'too-late-is-written-before-it-is-told',
    breaks: 'I5: a shopper is told too_late and gets the unit all the same',
    file: 'src/api/add-to-cart/late-replies.ts',
    suite: 'src/api/add-to-cart/late-replies.test.ts',
    find: `        yield* recordLateRefusals([{ requestId, refusal: 'too_late' }])
        return (yield* readRequestStatus(userId, requestId)) ?? pending`,
    replace: `        yield* readRequestStatus(userId, requestId)
        return { kind: 'refused', refusal: 'too_late' } as const`,
  },
]
