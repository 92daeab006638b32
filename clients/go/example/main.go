// The example plays one story through the Go client: it registers an account, makes a program and an affiliate, records a click, a
// lead, sales and a refund, and follows the feed meanwhile. It then checks that no event was lost or repeated, and that the balance
// is right. It may run while the server restarts.
//
// Environment: HEADWATER_ADDRESS (host:port, plaintext), HEADWATER_OPERATOR_KEY, HEADWATER_SALES (default 40),
// HEADWATER_SALE_DELAY_MS (the pause between sales, default 50).
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"headwater.dev/gen/headwater"
	hw "headwater.dev/gen/headwater/v1"
)

const (
	currency        = "USD"
	saleMinor       = 10_00   // Each sale is 10.00 USD.
	refundMinor     = 5_00    // One sale is refunded by 5.00 USD.
	commissionPPM   = 200_000 // The affiliate gets 20 %.
	customerEmail   = "anna@example.net"
	storyTimeout    = 10 * time.Minute
	feedEndTimeout  = time.Minute
	saleRepeatPause = time.Second
)

func main() {
	// A timer ends the story, and not a deadline of the context: a call whose context has a deadline does not get the client's own.
	ctx, cancel := context.WithCancel(context.Background())
	defer time.AfterFunc(storyTimeout, cancel).Stop()
	summary, err := tellStory(ctx)
	if err != nil {
		log.Fatal("the story failed: ", err)
	}
	fmt.Println(summary)
}

func tellStory(ctx context.Context) (string, error) {
	saleCount, err := numberFromEnvironment("HEADWATER_SALES", 40)
	if err != nil {
		return "", err
	}
	delayMS, err := numberFromEnvironment("HEADWATER_SALE_DELAY_MS", 50)
	if err != nil {
		return "", err
	}
	address, operatorKey := os.Getenv("HEADWATER_ADDRESS"), os.Getenv("HEADWATER_OPERATOR_KEY")

	key, err := registerAccount(ctx, address, operatorKey)
	if err != nil {
		return "", err
	}
	client, err := headwater.Connect(ctx, address, key, headwater.WithPlaintext())
	if err != nil {
		return "", err
	}
	defer client.Close()
	fmt.Println("registered the account", client.Key.GetAccountId())

	affiliate, tid, err := referCustomer(ctx, client)
	if err != nil {
		return "", err
	}
	if err := checkBadRequest(ctx, client); err != nil {
		return "", err
	}

	// A warehouse follows the feed while the shop sells.
	warehouse := newWarehouse()
	followed := make(chan error, 1)
	go func() { followed <- warehouse.follow(ctx, client) }()

	if err := sell(ctx, client, tid, saleCount, time.Duration(delayMS)*time.Millisecond); err != nil {
		return "", err
	}
	if err := refund(ctx, client); err != nil {
		return "", err
	}
	fmt.Printf("recorded %d sales and a refund\n", saleCount)

	select {
	case err := <-followed:
		if err != nil {
			return "", fmt.Errorf("follow the feed: %w", err)
		}
	case <-time.After(feedEndTimeout):
		return "", fmt.Errorf("the refund is not in the feed after %s", feedEndTimeout)
	}
	if err := warehouse.check(ctx, client, saleCount); err != nil {
		return "", err
	}
	balance, err := checkBalance(ctx, client, affiliate, saleCount)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("go: %d sales, %d events without gap or repeat, %d reconnects, balance %s",
		saleCount, warehouse.lastSequence, warehouse.reconnects, balance), nil
}

// registerAccount returns the first admin key of a new account.
func registerAccount(ctx context.Context, address, operatorKey string) (string, error) {
	operator, err := headwater.Connect(ctx, address, operatorKey, headwater.WithPlaintext())
	if err != nil {
		return "", err
	}
	defer operator.Close()
	email := fmt.Sprintf("owner-%d@harbour-coffee.example", time.Now().UnixNano())
	registered, err := operator.Accounts.RegisterAccount(ctx, &hw.RegisterAccountRequest{DisplayName: "Harbour Coffee", Email: email})
	if err != nil {
		return "", err
	}
	if registered.GetReplayed() {
		// The first answer was lost on the way, and only that one had the key's text. A new key is made in its place.
		created, err := operator.Accounts.CreateAdminApiKey(ctx, &hw.CreateAdminApiKeyRequest{
			Account: &hw.AccountSelector{Selector: &hw.AccountSelector_Email{Email: email}},
		})
		return created.GetApiKeyText(), err
	}
	return registered.GetApiKeyText(), nil
}

// referCustomer makes a program, an affiliate and a link. A visitor clicks on the link and signs up. It returns the affiliate's id
// and the visitor's tracking id.
func referCustomer(ctx context.Context, client *headwater.Client) (affiliateID, tid string, err error) {
	program, err := client.Affiliates.CreateProgram(ctx, &hw.CreateProgramRequest{
		DisplayName:  "Shop",
		CurrencyCode: currency,
		LandingUrl:   "https://harbour-coffee.example/",
		Terms:        &hw.Terms{Commission: &hw.Commission{Rate: &hw.Commission_PercentPpm{PercentPpm: commissionPPM}}},
	})
	if err != nil {
		return "", "", err
	}
	affiliate, err := client.Affiliates.CreateAffiliate(ctx, &hw.CreateAffiliateRequest{
		Email:      "lena@filterblog.example",
		FirstName:  "Lena",
		ProgramId:  program.GetProgram().GetId(),
		RefId:      "lena",
		CouponCode: "LENA10",
	})
	if err != nil {
		return "", "", err
	}
	link, err := client.Affiliates.CreateLink(ctx, &hw.CreateLinkRequest{
		EnrollmentId:   affiliate.GetEnrollment().GetId(),
		DestinationUrl: "https://harbour-coffee.example/beans",
	})
	if err != nil {
		return "", "", err
	}
	click, err := client.Tracking.RecordClick(ctx, &hw.RecordClickRequest{RefId: link.GetLink().GetCode()})
	if err != nil {
		return "", "", err
	}
	lead, err := client.Tracking.RecordLead(ctx, &hw.RecordLeadRequest{
		EventId: "signup-1",
		Email:   customerEmail,
		Tid:     click.GetTid(),
	})
	if err != nil {
		return "", "", err
	}
	if lead.GetOutcome() != hw.ConversionOutcome_CONVERSION_OUTCOME_ATTRIBUTED {
		return "", "", fmt.Errorf("the lead is %s", lead.GetOutcome())
	}
	fmt.Println("the affiliate", affiliate.GetAffiliate().GetId(), "referred the lead", lead.GetLeadId())
	return affiliate.GetAffiliate().GetId(), click.GetTid(), nil
}

func numberFromEnvironment(name string, otherwise int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 && name == "HEADWATER_SALES" || number < 0 {
		return 0, fmt.Errorf("%s is %q, not a number that fits", name, text)
	}
	return number, nil
}
