package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"headwater.dev/gen/headwater"
	hw "headwater.dev/gen/headwater/v1"
)

// saleEventID is the merchant's id of a sale. A real shop uses the id of the charge.
func saleEventID(number int) string {
	return fmt.Sprintf("charge-%d", number)
}

// sell records the sales, every second one with the affiliate's coupon.
func sell(ctx context.Context, client *headwater.Client, tid string, count int, pause time.Duration) error {
	for number := 1; number <= count; number++ {
		request := &hw.RecordSaleRequest{
			EventId: saleEventID(number),
			Amount:  &hw.Money{AmountMinor: saleMinor, CurrencyCode: currency},
		}
		if number%2 == 0 {
			request.CouponCode = "LENA10"
		} else {
			request.Email = customerEmail
			request.Tid = tid
		}
		sale, err := recordSale(ctx, client, request)
		if err != nil {
			return fmt.Errorf("record sale %d: %w", number, err)
		}
		if sale.GetOutcome() != hw.ConversionOutcome_CONVERSION_OUTCOME_ATTRIBUTED {
			return fmt.Errorf("sale %d is %s", number, sale.GetOutcome())
		}
		time.Sleep(pause)
	}
	return nil
}

// recordSale repeats the call for as long as it may succeed later. The client itself repeats too, but only until the deadline of the
// call. The event_id makes it safe: the sale counts once, however often it is sent.
func recordSale(ctx context.Context, client *headwater.Client, request *hw.RecordSaleRequest) (*hw.RecordSaleResponse, error) {
	for {
		sale, err := client.Tracking.RecordSale(ctx, request)
		if failure := headwater.AsError(err); failure == nil || !failure.Temporary() || ctx.Err() != nil {
			return sale, err
		}
		fmt.Println("repeat", request.GetEventId(), "after:", err)
		time.Sleep(saleRepeatPause)
	}
}

// refund takes back a part of the first sale.
func refund(ctx context.Context, client *headwater.Client) error {
	refund, err := client.Tracking.RecordRefund(ctx, &hw.RecordRefundRequest{
		EventId:     "refund-1",
		SaleEventId: saleEventID(1),
		Amount:      &hw.Money{AmountMinor: refundMinor, CurrencyCode: currency},
	})
	if err != nil {
		return fmt.Errorf("record the refund: %w", err)
	}
	if refund.GetOutcome() != hw.ConversionOutcome_CONVERSION_OUTCOME_ATTRIBUTED {
		return fmt.Errorf("the refund is %s", refund.GetOutcome())
	}
	return nil
}

// checkBadRequest sends a sale with three wrong fields, and checks that the error names each of them.
func checkBadRequest(ctx context.Context, client *headwater.Client) error {
	_, err := client.Tracking.RecordSale(ctx, &hw.RecordSaleRequest{
		Email:  customerEmail,
		Amount: &hw.Money{AmountMinor: -1, CurrencyCode: "usd"},
	})
	failure := headwater.AsError(err)
	if failure == nil || failure.Reason != hw.ErrorReason_ERROR_REASON_INVALID_FIELDS {
		return fmt.Errorf("a wrong sale was answered with: %v", err)
	}
	var fields []string
	for _, violation := range failure.Violations {
		fields = append(fields, violation.Field)
	}
	for _, field := range []string{"event_id", "amount.amount_minor", "amount.currency_code"} {
		if !slices.Contains(fields, field) {
			return fmt.Errorf("the error does not name the field %s, only %q", field, fields)
		}
	}
	fmt.Println("a wrong sale was refused:", failure.ReasonName, fields)
	return nil
}

// checkBalance compares what the affiliate earned with the expected sum, and returns it as text.
func checkBalance(ctx context.Context, client *headwater.Client, affiliateID string, saleCount int) (string, error) {
	answer, err := client.Rewards.GetBalance(ctx, &hw.GetBalanceRequest{
		Affiliate: &hw.AffiliateSelector{Selector: &hw.AffiliateSelector_Id{Id: affiliateID}},
	})
	if err != nil {
		return "", fmt.Errorf("read the balance: %w", err)
	}
	if len(answer.GetBalances()) != 1 {
		return "", fmt.Errorf("there are %d balances, not one", len(answer.GetBalances()))
	}
	earned := answer.GetBalances()[0].GetEarned().GetCash()
	expected := (int64(saleCount)*saleMinor - refundMinor) * commissionPPM / 1_000_000
	if earned.GetAmountMinor() != expected || earned.GetCurrencyCode() != currency {
		return "", fmt.Errorf("the balance is %s, not %d minor units of %s", earned, expected, currency)
	}
	return fmt.Sprintf("%d.%02d %s", expected/100, expected%100, currency), nil
}
