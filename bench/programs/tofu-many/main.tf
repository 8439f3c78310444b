variable "n" {
  type = number
}

resource "terraform_data" "value" {
  count = var.n
  input = "input ${count.index}"
}
