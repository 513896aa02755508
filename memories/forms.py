"""The form beside every change of a memory."""

from django import forms


class ReasonForm(forms.Form):
    """Why an operator changes a memory; kept in its history and in the audit."""

    reason = forms.CharField(max_length=500)
