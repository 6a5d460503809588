/** The places where a bot can be, for the progress display. No verdict uses them. */
export const places = [
  'outside',
  'waiting',
  'held',
  'paid',
  'refused',
  'gone',
  'unanswered',
] as const
/**
 * `outside`: the bot has not asked yet. `waiting`: it has no answer yet. `gone`: it gave its units
 * back, abandoned or lost them.
 */
export type Place = (typeof places)[number]

export class Crowd {
  private readonly placeOf: Place[]
  private readonly counts: Record<Place, number>

  constructor(bots: number) {
    this.placeOf = Array.from({ length: bots }, () => 'outside')
    this.counts = {
      outside: bots,
      waiting: 0,
      held: 0,
      paid: 0,
      refused: 0,
      gone: 0,
      unanswered: 0,
    }
  }

  get size(): number {
    return this.placeOf.length
  }

  move(bot: number, to: Place): void {
    const from = this.placeOf[bot]
    if (from === undefined || from === to) return
    this.counts[from] -= 1
    this.counts[to] += 1
    this.placeOf[bot] = to
  }

  count(place: Place): number {
    return this.counts[place]
  }
}
