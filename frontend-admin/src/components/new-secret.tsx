import { Alert, Button, Stack, Text } from '@mantine/core'
import type { components } from '@/api/signal-gateway'
import { CopyBlock } from './copy-block'

export type Made = components['schemas']['MadeCredential']

/** The message of a TradingView alert; every placeholder in quotes, so that it stays JSON. */
const ALERT = `{"ticker": "{{ticker}}", "exchange": "{{exchange}}", "instrument_type": "STOCK",
 "action": "{{strategy.order.action}}", "quantity": "{{strategy.order.contracts}}",
 "price": "{{strategy.order.price}}", "order_id": "{{strategy.order.id}}",
 "market_position": "{{strategy.market_position}}",
 "market_position_size": "{{strategy.market_position_size}}",
 "prev_market_position": "{{strategy.prev_market_position}}",
 "prev_market_position_size": "{{strategy.prev_market_position_size}}",
 "bar_time": "{{time}}", "timestamp": "{{timenow}}", "interval": "{{interval}}",
 "account_equity": 100000, "environment": "staging"}`

/** A secret that was just made: it is nowhere else, and gone when this is closed. */
export function NewSecret({ made, close }: { made: Made; close: () => void }) {
  return (
    <Alert color="green" variant="light" title="Made. This is shown once." role="alert">
      <Stack gap="sm">
        <Text fz="sm">Nobody can look it up again: copy it now and give it to its sender.</Text>
        <CopyBlock label="Secret" value={made.secret} />
        {made.kind === 'WEBHOOK_TOKEN' && (
          <>
            <CopyBlock label="Webhook URL" value={webhookUrl(made.secret)} />
            <CopyBlock label="Message of a TradingView alert" value={ALERT} />
            <Text fz="xs" c="dimmed">
              In TradingView: Alert → Notifications → Webhook URL. It posts to port 80 or 443 of a
              public address only: where this page has another one, put yours before /webhook.
              account_equity is the capital in the strategy's properties.
            </Text>
          </>
        )}
        {made.kind === 'API_KEY' && (
          <CopyBlock label="Header" value={`Authorization: Bearer ${made.secret}`} />
        )}
        <Button variant="default" onClick={close} style={{ alignSelf: 'start' }}>
          I have copied it
        </Button>
      </Stack>
    </Alert>
  )
}

/** As this page is reached: its port hands /webhook on to the gateway. */
function webhookUrl(token: string): string {
  return `${globalThis.location.origin}/webhook/${token}`
}
