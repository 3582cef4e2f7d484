/** What @peculiar/x509 asks of a polyfill for Reflect: three functions, and that they are there before it is loaded. */
export function polyfillReflect(): void {
  const known = new WeakMap<object, Map<unknown, unknown>>()
  const own = (key: unknown, target: object): unknown => known.get(target)?.get(key)
  Object.assign(Reflect, {
    defineMetadata(key: unknown, value: unknown, target: object): void {
      known.set(target, (known.get(target) ?? new Map<unknown, unknown>()).set(key, value))
    },
    getOwnMetadata: own,
    getMetadata: own,
  })
}
