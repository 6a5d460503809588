import type { Evidence } from './evidence.ts'
import type { KeyedAnswer } from './history.ts'
import { examplesMax, judged, least, staleReadMsMax, type Judgement } from './judgement.ts'

/** Judges that every repeated key got the same answer. */

export function sameKeySameAnswer(evidence: Evidence): Judgement {
  const byScope = new Map<string, KeyedAnswer[]>()
  for (const answer of evidence.history.keyedAnswers) {
    const known = byScope.get(answer.scope)
    if (known === undefined) byScope.set(answer.scope, [answer])
    else known.push(answer)
  }
  const repeated = [...byScope.values()].filter((answers) => answers.length > 1)
  const returnsAt = firstReturn(evidence)
  const different = repeated.flatMap((answers) => firstDisagreement(answers, returnsAt) ?? [])
  return judged(different, `${repeated.length} repeated keys, ${different.length} differ`)
}

function firstDisagreement(answers: readonly KeyedAnswer[], returnsAt: number): string | null {
  for (const [index, answer] of answers.entries()) {
    const other = answers.slice(index + 1).find((later) => !agree(answer, later, returnsAt))
    if (other !== undefined) return `${answer.scope}: ${said(answer)}, then ${said(other)}`
  }
  return null
}

const said = (answer: KeyedAnswer): string =>
  `${answer.verbatim?.slice(0, 3) ?? answer.outcome} ${answer.identity}`

function agree(one: KeyedAnswer, other: KeyedAnswer, returnsAt: number): boolean {
  if (one.outcome !== other.outcome) return isNewTry(one, other, returnsAt)
  if (one.step === 'add to cart' && one.outcome === 'refused') return true
  if (one.identity !== other.identity) return false
  return one.verbatim === null || other.verbatim === null || one.verbatim === other.verbatim
}

/** A refused add-to-cart is not remembered: with the same key it may succeed once stock is back. */
function isNewTry(one: KeyedAnswer, other: KeyedAnswer, returnsAt: number): boolean {
  if (one.step !== 'add to cart') return false
  const [refused, accepted] = one.outcome === 'refused' ? [one, other] : [other, one]
  const refusedFirst = refused.sentAt <= accepted.answeredAt
  return refusedFirst && accepted.answeredAt >= returnsAt
}

/**
 * Returns the first time when stock may have come back: a release, a deadline, or a read of API A.
 */
function firstReturn({ history, clock }: Evidence): number {
  const released = history.releases.map((release) => release.sentAt)
  const deadline = history.holds.map((hold) => hold.expiresAt - clock.offsetMs - clock.errorMs)
  const seen = history.stock
    .filter((sample, index) => sample.available > (history.stock[index - 1]?.available ?? Infinity))
    .map((sample) => sample.sentAt - staleReadMsMax)
  return least([...released, ...deadline, ...seen])
}

export function noFaults({ history }: Evidence): Judgement {
  const faults = history.exchanges.filter(
    ({ status, retryAfter }) =>
      status !== 'lost' && status >= 500 && !(status === 503 && retryAfter === 'said'),
  )
  return judged(
    faults.map((exchange) => `${exchange.step}: ${exchange.status} ${exchange.code ?? ''}`.trim()),
    `${faults.length} of ${history.exchanges.length} answers`,
  )
}

export function noUnexpected({ history }: Evidence): Judgement {
  return judged(
    history.unexpected.map((unexpected) => `${unexpected.step}: ${unexpected.what}`),
    `${history.unexpected.length} of ${history.exchanges.length} answers`,
  )
}

/** Judges that every bot got a final answer. A bot that never asked counts as unanswered. */
export function everybodyAnswered({ bots, history }: Evidence): Judgement {
  const raced = new Set(history.tries.filter((one) => one.phase === 'race').map((one) => one.bot))
  const silent = Array.from({ length: bots }, (_, bot) => bot).filter((bot) => !raced.has(bot))
  const without = new Set([...silent, ...history.unanswered.map((one) => one.bot)])
  const reasons = history.unanswered.map((one) => `bot ${one.bot}, ${one.step}: ${one.why}`)
  return {
    violations: without.size,
    measured: `${without.size} of ${bots} bots`,
    examples: [...reasons, ...silent.map((bot) => `bot ${bot} never got into the race`)].slice(
      0,
      examplesMax,
    ),
  }
}
