export function Latency() {
  return null
}
