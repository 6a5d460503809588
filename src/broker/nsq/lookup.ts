import type { Clock } from '../../clock.ts'
import { lookUpTopic } from './http.ts'

const cachedMs = 500

interface Answer {
  readonly askedAt: number
  readonly addresses: Promise<readonly string[] | undefined>
}

/**
 * Makes the lookup of nsqds that have a topic, over all nsqlookupds. A hundred subscriptions of one
 * topic ask at the same time, so an answer is shared for half a second.
 */
export function createTopicLookup(
  lookupdHttpAddresses: readonly string[],
  clock: Clock,
): (topic: string) => Promise<readonly string[] | undefined> {
  const answers = new Map<string, Answer>()

  async function ask(topic: string): Promise<readonly string[] | undefined> {
    const asked = lookupdHttpAddresses.map((address) => lookUpTopic(address, topic))
    const results = await Promise.allSettled(asked)
    const answered = results.filter((result) => result.status === 'fulfilled')
    if (answered.length === 0) return undefined
    return [...new Set(answered.flatMap((result) => result.value))]
  }

  return (topic) => {
    const now = clock.monotonic()
    for (const [known, answer] of answers) {
      if (now - answer.askedAt >= cachedMs) answers.delete(known)
    }
    const answer = answers.get(topic) ?? { askedAt: now, addresses: ask(topic) }
    answers.set(topic, answer)
    return answer.addresses
  }
}
