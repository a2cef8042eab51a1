module github.com/hansa-exchange/hansa

go 1.26
