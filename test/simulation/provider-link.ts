import { wait } from '../../src/clock.ts'
import { ProviderUnavailableError } from '../../src/payments/provider.ts'
import type { SimulatedProvider } from '../../src/payments/simulator/simulated-provider.ts'
import type { PaymentLedger } from '../../src/payments/ledger.ts'
import type { PaymentProvider } from '../../src/payments/provider.ts'
import type { Life } from './life.ts'
import type { CrashPoint } from './plan.ts'
import { never } from './world.ts'

/**
 * The provider behind a line that loses and delays calls and answers; the caller may die around
 * each.
 */
export interface ProviderHost {
  readonly provider: SimulatedProvider
  isDown(): boolean
}

interface Call<T> {
  readonly what: string
  readonly before?: CrashPoint
  readonly after?: CrashPoint
  readonly ask: () => Promise<T>
}

const answerTimeoutMs = 1_000
/** An answer may take so long that the resolver takes the attempt up before it arrives. */
const slowMsMax = 20_000

export function linkProvider(host: ProviderHost, life: Life): PaymentProvider & PaymentLedger {
  const { world, lane } = life
  const { observer, trace } = world

  async function call<T>({ what, before, after, ask }: Call<T>): Promise<T> {
    if (!life.isAlive() || (before !== undefined && life.diesAt(before))) return never()
    if (world.hits('providerSlow')) await wait(lane.clock, world.random() ** 3 * slowMsMax)
    if (host.isDown() || world.hits('providerCallLost')) return lost(`${what}: call lost`)
    const answer = await outcomeOf(ask)
    trace.note(`${life.name} ${what}: ${said(answer)}`)
    if (!life.isAlive() || (after !== undefined && life.diesAt(after))) return never()
    if (world.hits('providerAnswerLost')) return lost(`${what}: answer lost`)
    if (answer.kind === 'failed') throw answer.error
    return answer.value
  }

  async function lost(what: string): Promise<never> {
    trace.note(`${life.name} ${what}`)
    await wait(lane.clock, answerTimeoutMs)
    throw new ProviderUnavailableError('no answer')
  }

  const { provider } = host
  return {
    authorize: (order) =>
      call({
        what: `authorise ${order.paymentId}`,
        before: 'before authorise',
        after: 'after authorise',
        ask: () => provider.authorize(order),
      }),
    capture: (paymentId) =>
      call({
        what: `capture ${paymentId}`,
        before: 'before capture',
        after: 'after capture',
        ask() {
          observer.checkCapture(paymentId)
          return provider.capture(paymentId)
        },
      }),
    void: (paymentId) =>
      call({
        what: `void ${paymentId}`,
        before: 'before void',
        after: 'after void',
        ask() {
          observer.checkVoid(paymentId)
          return provider.void(paymentId)
        },
      }),
    find: (paymentId) => call({ what: `find ${paymentId}`, ask: () => provider.find(paymentId) }),
    readLedger: (after) => call({ what: 'read ledger', ask: () => provider.readLedger(after) }),
  }
}

type Outcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }

async function outcomeOf<T>(ask: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { kind: 'answered', value: await ask() }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

function said(outcome: Outcome<unknown>): string {
  if (outcome.kind === 'failed') return String(outcome.error)
  return outcome.value === undefined ? 'done' : JSON.stringify(outcome.value)
}
