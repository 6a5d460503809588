/** Calls `action` for every item, a limited number at once. It stops at the first that throws. */
export async function inTurns<T>(
  items: readonly T[],
  atOnceMax: number,
  action: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values()
  const work = async (): Promise<void> => {
    for (const item of queue) await action(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, work))
}
