import { bodyOf, groupTold, type Told } from './history.ts'
import type { Evidence } from './evidence.ts'

/** Checks I17: the same key and body get the same answer, and another body is refused. */
export function judgeKeys({ world, history }: Evidence): void {
  const groups = groupTold(
    history.filter(({ key }) => key !== undefined),
    ({ userId, action, key }) => `${userId} ${action} ${key}`,
  )
  for (const [name, group] of groups) {
    const given = group.filter((told) => thingOf(told) !== undefined)
    const things = new Set(given.map(thingOf))
    const wishes = new Set(given.map(({ wish }) => wish))
    if (things.size <= 1 && wishes.size <= 1) continue
    const what = `${name} was told ${[...things].join(', ')} for ${[...wishes].join(', ')}`
    world.violate({ invariant: 'I17', what })
  }
}

/** Returns the id of the hold, invoice or payment that was made for the key. */
function thingOf({ action, answer }: Told): string | undefined {
  const { reservation, invoice, payment } = bodyOf(answer)
  switch (action) {
    case 'add':
      return reservation?.id
    case 'checkout':
      return answer.status === 201 ? invoice?.id : undefined
    case 'pay':
      return payment?.id
    case 'ask':
    case 'look':
    case 'remove':
    case 'clear':
    case 'cancel':
    case 'invoice':
      return undefined
  }
}
