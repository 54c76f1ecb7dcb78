# The bucket of the journal. It is versioned, has Object Lock, and requires TLS. Records and objects of the log can be created but not
# overwritten or deleted. The bucket is kept if the module is destroyed.

resource "aws_s3_bucket" "journal" {
  bucket_prefix       = "${var.name}-journal-"
  object_lock_enabled = true
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "journal" {
  bucket = aws_s3_bucket.journal.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "journal" {
  count  = var.journal_retention_days > 0 ? 1 : 0
  bucket = aws_s3_bucket.journal.id
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.journal_retention_days
    }
  }
}

resource "aws_s3_bucket_public_access_block" "journal" {
  bucket                  = aws_s3_bucket.journal.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "journal" {
  bucket = aws_s3_bucket.journal.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "journal" {
  bucket = aws_s3_bucket.journal.id
  policy = data.aws_iam_policy_document.journal.json
}

locals {
  sealed = formatlist("${aws_s3_bucket.journal.arn}/journal/%s/*", ["requests", "log/segments", "log/checkpoints", "log/keys", "log/tile"])
}

data "aws_iam_policy_document" "journal" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.journal.arn, "${aws_s3_bucket.journal.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
  statement {
    sid       = "CreatedOnce"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = local.sealed
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }
  }
  statement {
    sid       = "NeverDeleted"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = local.sealed
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
