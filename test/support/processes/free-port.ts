import getPort from 'get-port'

/**
 * Finds free ports of 127.0.0.1, for programs that have to come back to the same one. They differ
 * from each other and from those found shortly before by this process; another process may still
 * take one in between, and then the program says so at its start.
 */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await getPort({ host: '127.0.0.1' }))
  return ports
}

export async function findFreePort(): Promise<number> {
  const [port = 0] = await findFreePorts(1)
  return port
}
